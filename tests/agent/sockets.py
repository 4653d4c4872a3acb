"""Bytes between two sockets."""

import socket
import threading


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
