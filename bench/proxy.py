"""The proxy beside others, in one interleaved run: direct, HAProxy, kernel DNAT, and ours.

    scripts/setup-host --bench
    python -m bench.proxy [--rounds 5] [--seconds 2] [--only WORD] [--ways ours,haproxy]

Root. A client, a node and four backends are network namespaces of their own; the load is wrk, iperf3 and small epoll
clients. Figures are medians of the rounds; the last columns are ours ÷ direct and ours ÷ HAProxy: for rates more is
better, for times, processor and memory less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable

from bench import proxy_loads as loads
from bench.proxy_programming import programming
from bench.proxy_site import Site, site
from bench.proxy_ways import Way, ways

Row = Callable[[Way], float]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="only rows that have this word")
    parser.add_argument("--ways", default="", help="only these, with commas between")
    options = parser.parse_args()
    with site() as place:
        found = [way for way in ways(place) if not options.ways or way.name in options.ways.split(",")]
        print(f"{'':34}" + "".join(f"{way.name:>11}" for way in found) + f"{'/direct':>9}{'/haproxy':>9}")
        # First: flows of datagrams fill the kernel's table of connections, and leave their memory in the proxy.
        for way in found:
            if way.pid and options.only in "held memory":
                held(place, way)
        for title, row in rows(place, options.seconds).items():
            if options.only in title:
                figures: dict[str, list[float]] = {way.name: [] for way in found if applies(title, way)}
                for _ in range(options.rounds):
                    for way in found:
                        if way.name in figures:
                            figures[way.name].append(row(way))
                show(title, found, {name: statistics.median(each) for name, each in figures.items()})
    if options.only in "programming":
        programming()


def applies(title: str, way: Way) -> bool:
    """HAProxy has no UDP, and only a process uses processor time that can be told."""
    return (way.pid > 0 or "CPU" not in title) and (way.name != "haproxy" or "UDP" not in title)


def rows(place: Site, seconds: int) -> dict[str, Row]:
    """What is measured, by title."""
    client = place.client

    def rate(way: Way, close: bool) -> float:
        return loads.wrk(client, way.address("web"), seconds=seconds, connections=64, close=close)

    def cpu_us(way: Way, close: bool) -> float:
        before = way.cpu_s()
        figure = rate(way, close)
        return (way.cpu_s() - before) / (figure * seconds) * 1e6

    def bulk(way: Way, streams: int) -> float:
        return loads.iperf(client, way.address("bulk"), seconds=seconds, streams=streams)[0]

    def cpu_per_gb(way: Way) -> float:
        before = way.cpu_s()
        moved = loads.iperf(client, way.address("bulk"), seconds=seconds, streams=8)[1]
        return (way.cpu_s() - before) / moved

    return {
        "new connections/s, 64 at once": lambda way: rate(way, True),
        "one at a time, p50 ms": lambda way: loads.inside(client, "one", way.address("web"), seconds)["p50_ms"],
        "keep-alive requests/s, 64": lambda way: rate(way, False),
        "CPU us a new connection": lambda way: cpu_us(way, True),
        "bulk down, 1 stream, Gbit/s": lambda way: bulk(way, 1),
        "bulk down, 8 streams, Gbit/s": lambda way: bulk(way, 8),
        "CPU s per GB, 8 streams": cpu_per_gb,
        "UDP round trips/s, 64 flows": lambda way: loads.inside(client, "udp", way.address("udp"), seconds, 64)["rate"],
        "UDP new flows/s": lambda way: loads.inside(client, "udp_new", way.address("udp"), min(seconds, 2))["rate"],
    }


def show(title: str, found: list[Way], figures: dict[str, float]) -> None:
    """One line of the table."""
    line = f"{title:34}"
    for way in found:
        figure = figures.get(way.name)
        digits = 0 if figure is None or figure >= 1000 else 3
        line += f"{'-':>11}" if figure is None else f"{figure:11.{digits}f}"
    for other in ("direct", "haproxy"):
        both = figures.get("ours"), figures.get(other)
        line += f"{both[0] / both[1]:9.2f}" if both[0] is not None and both[1] else f"{'-':>9}"
    print(line, flush=True)


def held(place: Site, way: Way) -> None:
    """Memory with 1,000 connections, then as many as go; they end, and a new one must get through."""
    for wanted in (1000, 12000):
        process = subprocess.Popen(
            [
                *("ip", "netns", "exec", place.client, sys.executable, "-m", "bench.proxy_loads", "hold"),
                *(*map(str, way.address("hold")), str(wanted)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        count = json.loads(process.stdout.readline())["held"]
        memory = way.resident_mib()
        process.stdin.write("\n")
        process.stdin.close()
        recovered = json.loads(process.stdout.readline())["recovered"]
        process.wait()
        print(
            f"{way.name}: {count} connections held, resident {memory:.1f} MiB, recovered {bool(recovered)}", flush=True
        )


if __name__ == "__main__":
    main()
