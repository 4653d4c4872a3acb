"""Bytes between two sockets, and a port that is free."""

import socket
import threading


def free_port() -> int:
    """One of this host on which nobody listens now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def pump(one: socket.socket, other: socket.socket) -> None:
    """Passes bytes on, both ways, until both sides have ended theirs."""
    back = threading.Thread(target=_pass_on, args=(other, one), name="test-pump", daemon=True)
    back.start()
    _pass_on(one, other)
    back.join(60)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
