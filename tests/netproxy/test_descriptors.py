"""What happens when a process has no descriptors left."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from tests.netproxy.planes import plane_of_its_own
from tests.netproxy.servers import LIMIT_S, Server

LIMIT = 64
CLIENTS = 60


def test_clients_wait_while_descriptors_are_out_and_get_through_as_others_end(
    serve: Callable[..., Server],
) -> None:
    def echo(connection: socket.socket) -> None:
        while chunk := connection.recv(100):
            connection.sendall(chunk)

    with plane_of_its_own(serve(echo).endpoint, descriptors=LIMIT) as plane:
        clients = [socket.create_connection(plane.address, timeout=LIMIT_S) for _ in range(CLIENTS)]
        try:
            for client in clients:
                client.sendall(b"hello")
            served = _answered(clients, wait_s=0.3)
            assert LIMIT / 2 - 10 <= len(served) < CLIENTS
            for client in served:
                client.close()
            waiting = [client for client in clients if client not in served]
            assert len(_answered(waiting, wait_s=LIMIT_S, leave=True)) == len(waiting)
        finally:
            for client in clients:
                client.close()
    assert plane.accept_pauses > 0
    assert plane.faults == 0


def _answered(clients: list[socket.socket], *, wait_s: float, leave: bool = False) -> list[socket.socket]:
    """Those of the clients that get their echo within the time, asked all at once; they may leave when they have it."""
    answered: list[socket.socket] = []

    def read(client: socket.socket) -> None:
        client.settimeout(wait_s)
        try:
            if client.recv(100) == b"hello":
                answered.append(client)
            if leave:
                client.close()
        except OSError:
            return

    threads = [threading.Thread(target=read, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(wait_s + 1)
    return answered
