"""Queries a second for cluster names: clusterdns, and dnsmasq beside it in the same run.

Each server holds the same names and is asked by dnsperf; rounds are interleaved, so that both meet the same machine.

Usage: python -m bench.dns [--services 1000] [--rounds 5] [--seconds 2] [--window 64] [--changes 0]
"""

import argparse
import itertools
import multiprocessing
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.processes import busy_s, resident_mib
from clusterdns.config import Config
from clusterdns.names import wire_name
from clusterdns.records import Port, ServiceNames
from clusterdns.service import DnsService

DOMAIN = "cluster.local"
CLIENTS = 4
START_S = 20.0


def service(number: int) -> ServiceNames:
    """The names of one service of the bench."""
    address = f"10.96.{number // 250}.{number % 250 + 1}"
    return ServiceNames("default", f"svc-{number}", addresses=(address,), ports=(Port("http", "TCP", 80),))


def question(number: int) -> bytes:
    """A question for the address of a service, without its id."""
    name = wire_name(f"svc-{number}.default.svc.{DOMAIN}")
    return b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"


def serve_ours(port: int, services: int, changes: int) -> None:
    """A process that answers until it is ended, while so many services a second change."""
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
        for number in itertools.count():
            time.sleep(1 / changes if changes else 3600)
            one = service(number * 7919 % services)
            dns.zone.put(replace(one, ports=(Port("http", "TCP", 81 + number % 2),)))


@contextmanager
def ours(services: int, changes: int) -> Iterator[tuple[int, int]]:
    """Port and process of clusterdns."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_ours, args=(port, services, changes))
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
    """A port that nobody has at this moment, for UDP and TCP."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
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


def questions(folder: Path, services: int) -> Path:
    """A file of names as dnsperf takes them: each once, in an order that no cache likes."""
    path = folder / "questions"
    order = (number * 7919 % services for number in range(services))
    path.write_text("".join(f"svc-{number}.default.svc.{DOMAIN} A\n" for number in order))
    return path


def dnsperf(port: int, names: Path, seconds: float, *more: str) -> str:
    """What dnsperf prints. A lost answer or another rcode ends the measurement."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(names), "-l", str(seconds), *more]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60 + seconds).stdout
    answered = number_in(said, r"NOERROR (\d+)")
    if answered != number_in(said, r"Queries sent:\s+(\d+)"):
        sys.stderr.write(f"not every question was answered: {said[-900:]}")
    return said


def number_in(said: str, pattern: str) -> float:
    """The number that a line tells."""
    found = re.search(pattern, said)
    return float(found[1]) if found else 0.0


def most(port: int, names: Path, seconds: float, window: int) -> tuple[float, float]:
    """Answers a second with `window` questions under way, and how many there were."""
    said = dnsperf(port, names, seconds, "-c", str(CLIENTS), "-q", str(window))
    return number_in(said, r"Queries per second:\s+([\d.]+)"), number_in(said, r"Queries completed:\s+(\d+)")


def late_ms(port: int, names: Path, seconds: float, rate: float) -> float:
    """The 99th percentile of the delay at a rate, in ms."""
    said = dnsperf(port, names, seconds, "-c", str(CLIENTS), "-Q", str(int(rate)), "-v")
    delays = sorted(float(line.split()[-1]) for line in said.splitlines() if line.startswith("> NOERROR"))
    return delays[len(delays) * 99 // 100] * 1000


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--changes", type=int, default=0, help="services that change in a second, of clusterdns alone")
    args = parser.parse_args()
    if missing := [program for program in ("dnsperf", "dnsmasq") if not shutil.which(program)]:
        raise SystemExit(f"not installed: {', '.join(missing)} (scripts/setup-host --bench)")
    servers = {"clusterdns": partial(ours, changes=args.changes), "dnsmasq": dnsmasq}
    with ExitStack() as stack:
        running = {name: stack.enter_context(serve(args.services)) for name, serve in servers.items()}
        report(running, args)


def report(running: dict[str, tuple[int, int]], args: argparse.Namespace) -> None:
    """Interleaved rounds, then a line of medians for each server; delays at half of what the slowest can."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    with tempfile.TemporaryDirectory() as folder:
        names = questions(Path(folder), args.services)
        for _ in range(args.rounds):
            for name, (port, pid) in running.items():
                before = busy_s(pid)
                rate, count = most(port, names, args.seconds, args.window)
                rounds[name].append((rate, (busy_s(pid) - before) / max(count, 1) * 1e6))
        half = min(statistics.median(rate for rate, _ in values) for values in rounds.values()) / 2
        late: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(args.rounds):
            for name, (port, _pid) in running.items():
                late[name].append(late_ms(port, names, args.seconds, half))
    for name, (_port, pid) in running.items():
        rate, cost = (statistics.median(values) for values in zip(*rounds[name], strict=True))
        sys.stdout.write(
            f"{name:12} {rate:8.0f} queries/s  {cost:5.2f} us CPU a query  p99 at {half:.0f}/s "
            f"{statistics.median(late[name]):6.2f} ms  {resident_mib(pid):6.1f} MiB\n"
        )


if __name__ == "__main__":
    main()
