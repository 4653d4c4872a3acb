"""What happens when a process has no descriptors left."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.netproxy.servers import LIMIT_S, Server

PROGRAM = """
import sys
from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.services import PortName, Protocol, ServicePort
plane = DataPlane(UdpTimers(unanswered_s=1, idle_s=1))
plane.start()
name = PortName("default", "web", "")
endpoint = ("127.0.0.1", int(sys.argv[1]))
port = ServicePort(name=name, protocol=Protocol.TCP, cluster_ip="", port=80, endpoints=(endpoint,))
print(plane.apply({name: port}).proxy_ports[name], flush=True)
sys.stdin.read()
plane.stop()
counters = plane.accept_pauses, plane.faults
print(*counters, flush=True)
"""
LIMIT = 64
CLIENTS = 60


def test_clients_wait_while_descriptors_are_out_and_get_through_as_others_end(
    serve: Callable[..., Server],
) -> None:
    def echo(connection: socket.socket) -> None:
        while chunk := connection.recv(100):
            connection.sendall(chunk)

    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(serve(echo).endpoint[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = ("127.0.0.1", int(process.stdout.readline()))
        clients = [socket.create_connection(address, timeout=LIMIT_S) for _ in range(CLIENTS)]
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
        process.stdin.close()
        pauses, faults = map(int, process.stdout.readline().split())
        assert process.wait(LIMIT_S) == 0
    assert pauses > 0
    assert faults == 0


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
