"""What it costs to program services: 5,000 at once, one more, one whose endpoint moves. Real rules, own namespace.

The time is until sockets and kernel serve it; the state file follows, at most once a second.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.proxy_site import namespace
from bench.proxy_ways import config, proxy_of
from netproxy.collector import collect_seldom
from netproxy.proxy import Proxy
from netproxy.services import Desired, PortName, Protocol, ServicePort

SERVICES = 5000
REPEATS = 9


def programming() -> None:
    """Measure in a namespace of its own; prints its own lines."""
    with namespace("rules") as netns:
        subprocess.run(["ip", "netns", "exec", netns, sys.executable, "-m", "bench.proxy_programming"], check=True)


def service(number: int) -> ServicePort:
    """One of many services."""
    name = PortName("bench", f"svc-{number}", "")
    ip = f"10.96.{number // 250}.{number % 250 + 1}"
    endpoints = ((f"10.244.{number // 250}.{number % 250 + 1}", 80),)
    return ServicePort(name=name, protocol=Protocol.TCP, cluster_ip=ip, port=80, endpoints=endpoints)


def main() -> None:
    """All of them, then changes one by one."""
    collect_seldom()
    with tempfile.TemporaryDirectory() as folder:
        proxy = proxy_of(config(Path(folder)))
        proxy.start()
        print(f"first pass, no services: {_timed(proxy, {}):.1f} ms")
        wanted = {port.name: port for port in map(service, range(SERVICES))}
        print(f"programming {SERVICES} services: {_timed(proxy, wanted):.1f} ms")
        more, moved = [], []
        for number in range(REPEATS):
            extra = service(SERVICES + number)
            wanted = {**wanted, extra.name: extra}
            more.append(_timed(proxy, wanted))
            other = replace(service(number), endpoints=(("10.244.99.9", 80),))
            wanted = {**wanted, other.name: other}
            moved.append(_timed(proxy, wanted))
        print(f"one more: {statistics.median(more):.2f} ms, one endpoint moved: {statistics.median(moved):.2f} ms")
        print(f"all removed: {_timed(proxy, {}):.1f} ms")
        proxy.stop()


def _timed(proxy: Proxy, wanted: dict[PortName, ServicePort]) -> float:
    begin = time.perf_counter()
    proxy.sync(Desired(ports=wanted))
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    main()
