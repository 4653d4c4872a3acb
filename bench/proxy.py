"""What the userspace proxy costs: new connections and kept ones, through it and direct, interleaved in one run.

    apt-get install wrk
    python -m bench.proxy [--rounds 5] [--seconds 2] [--connections 64] [--endpoints 4]

Each endpoint is a small HTTP server, all in one process; the proxy is a data plane in a process of its own, on
loopback, without rules. wrk asks for a page of 128 bytes: with `Connection: close` every request is a new
connection; without it all are on kept ones. `one at a time` connects, asks and reads in sequence. Figures are medians
of the rounds; `share` is proxied ÷ direct: for rates more is better, for times less. `cpu us` is the proxy's CPU time
per request in microseconds, user and system together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from netproxy.dataplane.plane import DataPlane
from netproxy.dataplane.udp import UdpTimers
from netproxy.services import Endpoint, PortName, Protocol, ServicePort

BODY = b"x" * 128
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" + BODY
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\nConnection: close\r\n\r\n" + BODY
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
LIMIT_S = 10.0

Way = Callable[[Endpoint], tuple[float, float]]
"""Measures an address: the figure, and how many requests there were."""


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of one way."""

    figure: float
    """Requests a second, or for one at a time: milliseconds (median)."""
    cpu_us: float
    """The proxy's CPU time per request, microseconds."""


def serve_endpoints(pipe: Connection, count: int) -> None:
    """The endpoints' process: answers requests of one packet until the pipe is closed."""
    epoll = select.epoll()
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(count)]
    by_fd = {listener.fileno(): listener for listener in listeners}
    clients: dict[int, socket.socket] = {}
    for listener in listeners:
        listener.setblocking(False)
        epoll.register(listener, select.EPOLLIN)
    epoll.register(pipe.fileno(), select.EPOLLIN)
    pipe.send([listener.getsockname() for listener in listeners])
    while True:
        for fd, _mask in epoll.poll():
            if fd == pipe.fileno():
                return
            if fd in by_fd:
                client, _peer = by_fd[fd].accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
            elif not _answer(clients[fd]):
                clients.pop(fd).close()


def _answer(client: socket.socket) -> bool:
    """Answer one request; False when the connection is over."""
    try:
        request = client.recv(4096)
        if not request:
            return False
        last = b"Connection: close" in request
        client.sendall(CLOSED if last else KEPT)
    except OSError:
        return False
    return not last


def serve_proxy(pipe: Connection, endpoints: list[Endpoint]) -> None:
    """The proxy's process: tells its port, then its CPU seconds whenever asked, until it is told to stop."""
    soft_hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft_hard[1], soft_hard[1]))
    plane = DataPlane(UdpTimers(unanswered_s=30, idle_s=5))
    plane.start()
    name = PortName("bench", "web", "http")
    port = ServicePort(name=name, protocol=Protocol.TCP, cluster_ip="10.96.0.1", port=80, endpoints=tuple(endpoints))
    pipe.send(("127.0.0.1", plane.apply({name: port}).proxy_ports[name]))
    while pipe.recv():
        pipe.send(time.process_time())
    plane.stop()


def wrk(address: Endpoint, *, seconds: int, connections: int, close: bool) -> float:
    """Requests a second; errors of any kind end the run."""
    url = f"http://{address[0]}:{address[1]}/"
    headers = ["-H", "Connection: close"] if close else []
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers, url]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Socket errors" in output or "Non-2xx" in output:
        sys.exit(f"wrk met errors:\n{output}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if found is None:
        sys.exit(f"wrk said nothing of a rate:\n{output}")
    return float(found[1])


def one_at_a_time(address: Endpoint, *, seconds: int) -> tuple[float, int]:
    """Median milliseconds of connect, ask, read to the end; and how many there were."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        with socket.create_connection(address, timeout=LIMIT_S) as sock:
            sock.sendall(REQUEST)
            while sock.recv(4096):
                pass
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), len(times)


def measure(way: Way, address: Endpoint, cpu_s: Callable[[], float]) -> Round:
    """Run once; the proxy's CPU is divided by the number of requests."""
    before = cpu_s()
    figure, requests = way(address)
    return Round(figure, (cpu_s() - before) / requests * 1e6)


def main() -> None:
    """Measure and print a table."""
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    context = multiprocessing.get_context("spawn")
    server_pipe, pipe = context.Pipe()
    server = context.Process(target=serve_endpoints, args=(pipe, options.endpoints), name="bench-endpoints")
    server.start()
    endpoints = server_pipe.recv()
    proxy_pipe, pipe = context.Pipe()
    proxy = context.Process(target=serve_proxy, args=(pipe, endpoints), name="bench-proxy")
    proxy.start()
    try:
        _report(options, direct=endpoints[0], proxied=proxy_pipe.recv(), pipe=proxy_pipe)
    finally:
        proxy_pipe.send(False)
        server_pipe.send(False)
        for process in (proxy, server):
            _end(process)


def _report(options: argparse.Namespace, *, direct: Endpoint, proxied: Endpoint, pipe: Connection) -> None:
    def cpu_s() -> float:
        pipe.send(True)
        seconds = pipe.recv()
        assert isinstance(seconds, float)
        return seconds

    def rate(address: Endpoint, close: bool) -> tuple[float, float]:
        figure = wrk(address, seconds=options.seconds, connections=options.connections, close=close)
        return figure, figure * options.seconds

    ways: dict[str, Way] = {
        "new connections/s": lambda address: rate(address, True),
        "kept connections, requests/s": lambda address: rate(address, False),
        "one at a time, p50 ms": lambda address: one_at_a_time(address, seconds=options.seconds),
    }
    print(f"{'':32}{'direct':>10}{'proxied':>10}{'share':>8}{'cpu us':>8}")
    for title, way in ways.items():
        rounds = [(measure(way, direct, cpu_s), measure(way, proxied, cpu_s)) for _ in range(options.rounds)]
        plain, ours = (statistics.median(pair[index].figure for pair in rounds) for index in (0, 1))
        cpu_us = statistics.median(pair[1].cpu_us for pair in rounds)
        digits = 3 if plain < 10 else 0
        print(f"{title:32}{plain:10.{digits}f}{ours:10.{digits}f}{ours / plain:8.2f}{cpu_us:8.1f}", flush=True)


def _end(process: BaseProcess) -> None:
    process.join(LIMIT_S)
    if process.is_alive():
        process.kill()
        process.join(LIMIT_S)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--endpoints", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
