"""The userspace data plane: one thread, one edge-triggered epoll loop, plain sockets.

It imports the standard library and the pure parts of netproxy only, so that it can move to a process of its own.
"""
