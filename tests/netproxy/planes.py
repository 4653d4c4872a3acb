"""A data plane in a process of its own, for what concerns a whole process: its memory, its descriptors."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from netproxy.services import Endpoint
from tests.netproxy.servers import LIMIT_S

_PROGRAM = """
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
print(plane.accept_pauses, plane.faults, flush=True)
"""


@dataclass
class Plane:
    """``accept_pauses`` and ``faults`` are known when it has ended."""

    address: Endpoint
    process: psutil.Process
    accept_pauses: int = 0
    faults: int = 0


@contextlib.contextmanager
def plane_of_its_own(endpoint: Endpoint, *, descriptors: int | None = None) -> Iterator[Plane]:
    """Serves one endpoint; ``descriptors`` is how many files it may have open."""

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(endpoint[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        preexec_fn=limit,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        plane = Plane(("127.0.0.1", int(process.stdout.readline())), psutil.Process(process.pid))
        try:
            yield plane
        finally:
            process.stdin.close()
        plane.accept_pauses, plane.faults = map(int, process.stdout.readline().split())
        assert process.wait(LIMIT_S) == 0
