"""Queries a second for cluster names: clusterdns, and dnsmasq beside it in the same run.

Each server holds the same names. This process keeps a fixed number of questions under way from several
sockets and counts the answers; rounds are interleaved, so that both servers meet the same machine. The client
is Python and may be the slower side: the CPU time that a query costs the server does not depend on it.

Usage: python -m bench.dns [--services 1000] [--rounds 5] [--seconds 2] [--window 64]
"""

import argparse
import multiprocessing
import os
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clusterdns.config import Config
from clusterdns.names import wire_name
from clusterdns.records import Port, ServiceNames
from clusterdns.service import DnsService

DOMAIN = "cluster.local"
SOCKETS = 4
START_S = 20.0


def service(number: int) -> ServiceNames:
    """The names of one service of the bench."""
    address = f"10.96.{number // 250}.{number % 250 + 1}"
    return ServiceNames("default", f"svc-{number}", addresses=(address,), ports=(Port("http", "TCP", 80),))


def question(number: int) -> bytes:
    """A question for the address of a service, without its id."""
    name = wire_name(f"svc-{number}.default.svc.{DOMAIN}")
    return b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"


def serve_ours(port: int, services: int) -> None:
    """A process that answers until it is ended."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            listen_address="127.0.0.1",
            port=port,
            interface="",
            resolv_conf=Path(folder) / "resolv.conf",
            state_file=Path(folder) / "names.json",
        )
        dns = DnsService(config)
        for number in range(services):
            dns.zone.put(service(number))
        dns.zone.mark_synced()
        dns.start()
        while True:
            time.sleep(3600)


@contextmanager
def ours(services: int) -> Iterator[tuple[int, int]]:
    """Port and process of clusterdns."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_ours, args=(port, services))
    process.start()
    try:
        wait_for(port)
        yield port, process.pid or 0
    finally:
        process.kill()
        process.join()


@contextmanager
def dnsmasq(services: int) -> Iterator[tuple[int, int]]:
    """Port and process of a dnsmasq with the same names."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder) / "hosts"
        lines = (f"{each.addresses[0]} {each.name}.default.svc.{DOMAIN}" for each in map(service, range(services)))
        hosts.write_text("\n".join(lines) + "\n")
        hosts.chmod(0o644)
        Path(folder).chmod(0o755)
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
        command += [f"--addn-hosts={hosts}", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces"]
        command += [f"--local=/{DOMAIN}/", "--local-ttl=5", "--pid-file=", "--user=root"]
        process = subprocess.Popen(command)
        try:
            wait_for(port)
            yield port, process.pid
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Until the first service is answered."""
    limit = time.monotonic() + START_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        while time.monotonic() < limit:
            try:
                sock.send(b"\0\0" + question(0))
                if sock.recv(512)[3] & 0x0F == 0:
                    return
            except OSError:
                time.sleep(0.05)
    raise SystemExit(f"no DNS server on port {port} within {START_S} s")


def load(port: int, *, services: int, seconds: float, window: int) -> tuple[int, float, float]:
    """Answers, answers a second and the 99th percentile of their delay in ms, with `window` questions under way."""
    packets = [question(number) for number in range(services)]
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    poller = select.epoll()
    by_fd = {sock.fileno(): sock for sock in socks}
    sent, delays, number = [0.0] * 65536, [], 0

    def send(sock: socket.socket) -> None:
        nonlocal number
        ident = number & 0xFFFF
        sent[ident] = time.perf_counter()
        sock.send(ident.to_bytes(2, "big") + packets[number * 7919 % services])
        number += 1

    for sock in socks:
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        poller.register(sock, select.EPOLLIN)
        for _ in range(window // SOCKETS):
            send(sock)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        for fd, _events in poller.poll(0.5):
            sock = by_fd[fd]
            try:
                while True:
                    reply = sock.recv(512)
                    if reply[3] & 0x0F or reply[7] != 1:
                        raise SystemExit(f"wrong answer: {reply!r}")
                    delays.append(time.perf_counter() - sent[reply[0] << 8 | reply[1]])
                    send(sock)
            except BlockingIOError:
                continue
    for sock in socks:
        sock.close()
    delays.sort()
    return len(delays), len(delays) / (now - began), delays[len(delays) * 99 // 100] * 1000


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, kernel time included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=64)
    args = parser.parse_args()
    servers = {"clusterdns": ours}
    if shutil.which("dnsmasq"):
        servers["dnsmasq"] = dnsmasq
    else:
        sys.stderr.write("dnsmasq is not installed (Debian: dnsmasq-base): clusterdns runs alone\n")
    with ExitStack() as stack:
        running = {name: stack.enter_context(serve(args.services)) for name, serve in servers.items()}
        report(running, args)


def report(running: dict[str, tuple[int, int]], args: argparse.Namespace) -> None:
    """Interleaved rounds, then a line of medians for each server."""
    rounds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in running}
    for _ in range(args.rounds):
        for name, (port, pid) in running.items():
            before = cpu_seconds(pid)
            count, rate, late = load(port, services=args.services, seconds=args.seconds, window=args.window)
            rounds[name].append((rate, late, (cpu_seconds(pid) - before) / count * 1e6))
    for name, (_port, pid) in running.items():
        rate, late, cost = (statistics.median(values) for values in zip(*rounds[name], strict=True))
        sys.stdout.write(
            f"{name:12} {rate:8.0f} queries/s  p99 {late:6.2f} ms  "
            f"{cost:5.2f} us CPU a query  {resident_mib(pid):6.1f} MiB\n"
        )


if __name__ == "__main__":
    main()
