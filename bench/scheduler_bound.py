"""How many pods a second a whole scheduler binds.

It works on a real apiserver over TLS with a durable store; both are processes of their own.

Pods are created over 32 connections, at once, with 100 nodes there; the time runs from the first create until the last
pod has its node. Run: python -m bench.scheduler_bound
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from api.core import Node, Pod
from bench.filling import fill
from bench.scheduler import node
from bench.served import Served, served
from client import Client
from master import pki

_LIMIT_S = 120.0


def _join(client: Client, made: Node) -> None:
    status = made.status
    created = client.create(made)
    created.status = status
    client.update_status(created)


def _busy_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(process: int) -> float:
    (line,) = (one for one in Path(f"/proc/{process}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _bound(client: Client, count: int) -> None:
    """Returns when none of so many pods waits."""
    end = time.perf_counter() + _LIMIT_S
    while client.list(Pod, "default", fields="spec.nodeName=", resource_version="0").items:
        if time.perf_counter() > end:
            raise RuntimeError(f"not all of {count} pods were bound within {_LIMIT_S:.0f} s")
        time.sleep(0.02)


def measure(server: Served, folder: Path, nodes: int, rounds: int, pods: int) -> None:
    components = pki.standard_identities(node_name="unused")
    named = [one for one in components if one.name in ("admin", "scheduler")]
    made = pki.ensure(folder / "etc", named, server=server.url)
    root = Client.from_kubeconfig(made.kubeconfig("admin"))
    for number in range(nodes):
        _join(root, node(number))
    command = [sys.executable, "-m", "cli.steersman", "scheduler", "--kubeconfig", str(made.kubeconfig("scheduler"))]
    process = subprocess.Popen([*command, "--log-level=warning"])
    try:
        asyncio.run(fill(server, "warm", 1))
        _bound(root, 1)
        print(f"scheduler, {nodes} nodes, idle: {_resident_mib(process.pid):.0f} MiB")
        for number in range(rounds):
            _measure_round(server, root, process.pid, f"r{number}", pods)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_LIMIT_S)
        root.close()


def _measure_round(server: Served, root: Client, process: int, name: str, pods: int) -> None:
    busy, server_busy, start = _busy_s(process), server.busy_s, time.perf_counter()
    asyncio.run(fill(server, name, pods))
    created_s = time.perf_counter() - start
    _bound(root, pods)
    bound_s = time.perf_counter() - start
    each_us = (_busy_s(process) - busy) / pods * 1e6
    server_us = (server.busy_s - server_busy) / pods * 1e6
    print(
        f"{pods} pods: created {pods / created_s:.0f}/s, bound {pods / bound_s:.0f}/s; processor for each: "
        f"scheduler {each_us:.0f} µs, apiserver {server_us:.0f} µs; scheduler {_resident_mib(process):.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as server:
        measure(server, Path(name), options.nodes, options.rounds, options.pods)


if __name__ == "__main__":
    main()
