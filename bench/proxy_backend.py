"""A backend that echoes: on connections that it holds open, and datagrams.

Usage: python -m bench.proxy_backend TCP_PORT UDP_PORT
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys


def main() -> None:
    """Echo until killed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    epoll = select.epoll()
    listener = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=4096)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", int(sys.argv[2])))
    held: dict[int, socket.socket] = {}
    for sock in (listener, datagrams):
        sock.setblocking(False)
        epoll.register(sock, select.EPOLLIN)
    while True:
        for fd, _mask in epoll.poll():
            if fd == listener.fileno():
                client = listener.accept()[0]
                held[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
            elif fd == datagrams.fileno():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        data, sender = datagrams.recvfrom(2048)
                        datagrams.sendto(data, sender)
            elif not _echo(held[fd]):
                held.pop(fd).close()


def _echo(sock: socket.socket) -> bool:
    try:
        data = sock.recv(4096)
        sock.sendall(data)
    except OSError:
        return False
    return bool(data)


if __name__ == "__main__":
    main()
