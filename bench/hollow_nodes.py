"""A whole master with many hollow nodes: how fast pods come to be, and what it costs when nothing happens.

The API server, the controllers and the scheduler are processes of their own, as ``steersman`` starts them, over TLS
with RBAC and admission and a durable SQLite; so is the one of all hollow nodes. All of them, and what measures,
share the machine. Run: python -m bench.hollow_nodes [--nodes 100 --pods 1000] [--full 30000 --churn 20 --idle 20]
"""

import argparse
import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.hollow import Line, Pod, context_of, pods
from bench.served import Served, pod, served
from master import pki

_LIMIT_S = 600.0
_OWNED, _LINES = 1_000, 16
_TOTAL = re.compile(r"apiserver_request_total\{(.*)\} (\d+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_FIELD = re.compile(r"apiserver_request_duration_seconds_bucket\{(.*),le=\"([^\"]+)\"\} (\d+)")


class Master:
    """Processes by name, and their cost."""

    def __init__(self, processes: dict[str, int]) -> None:
        self.processes = processes

    def busy_s(self) -> dict[str, float]:
        return {name: _busy_s(process) for name, process in self.processes.items()}

    def resident_mib(self) -> dict[str, float]:
        return {name: _resident_mib(process) for name, process in self.processes.items()}


class Observer:
    """Follows all pods, and notes when each was first seen, bound and running."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.seen: dict[str, float] = {}
        self.bound: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self.synced = asyncio.Event()

    async def follow(self) -> None:
        async for kind, found in pods(self._line, "fieldSelector=metadata.namespace=default"):
            if kind == "SYNCED":
                self.synced.set()
            elif kind == "DELETED":
                self.gone[found.metadata.name] = time.perf_counter()
            else:
                self._note(found)

    def _note(self, found: Pod) -> None:
        name, moment = found.metadata.name, time.perf_counter()
        self.seen.setdefault(name, moment)
        if found.spec.node_name:
            self.bound.setdefault(name, moment)
        if found.status.phase == "Running":
            self.running.setdefault(name, moment)

    def since(self, start: float) -> tuple[int, int, int]:
        """How many were first seen, bound and running after that moment."""
        return tuple(  # type: ignore[return-value]
            sum(moment >= start for moment in times.values()) for times in (self.seen, self.bound, self.running)
        )

    async def until_running(self, count: int, start: float) -> None:
        end = time.perf_counter() + _LIMIT_S
        while self.since(start)[2] < count:
            if time.perf_counter() > end:
                raise RuntimeError(f"of {count} pods so many were seen, bound and running: {self.since(start)}")
            await asyncio.sleep(0.05)


@contextmanager
def component(name: str, kubeconfig: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "cli.steersman", name, "--kubeconfig", str(kubeconfig), "--log-level=warning"]
    process = subprocess.Popen(command)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def fleet(server: Served, files: pki.Pki, count: int) -> Iterator[int]:
    """So many hollow nodes, registered."""
    root = [f"--certificate={files.certificate('root')}", f"--key={files.key('root')}"]
    command = [sys.executable, "-m", "bench.hollow", f"--nodes={count}", f"--port={server.port}"]
    command += [f"--ca={files.ca_certificate}", *root]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the hollow nodes did not come")
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _owner(name: str, replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    template["spec"]["containers"][0] |= {"name": "c", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name}, "spec": spec}


async def grow(line: Line, observer: Observer, master: Master, name: str, replicas: int) -> None:
    """A replication controller from none to so many."""
    asked, busy, start = await _asked(line), master.busy_s(), time.perf_counter()
    await line.call("POST", "/api/v1/namespaces/default/replicationcontrollers", _owner(name, replicas))
    await observer.until_running(replicas, start)
    rates = [
        replicas / (max(moment for moment in times.values()) - start)
        for times in (observer.seen, observer.bound, observer.running)
    ]
    spent = {key: (value - busy[key]) / replicas * 1e6 for key, value in master.busy_s().items()}
    costs = ", ".join(f"{key} {value:.0f}" for key, value in spent.items())
    print(
        f"{name}: {replicas} pods, created {rates[0]:.0f}/s, bound {rates[1]:.0f}/s, running {rates[2]:.0f}/s; "
        f"processor µs a pod: {costs}",
        flush=True,
    )
    requests = {key: (count - asked[key]) / replicas for key, count in (await _asked(line)).items()}
    print("  requests a pod: " + ", ".join(f"{key} {count:.2f}" for key, count in requests.items() if count >= 0.01))


async def _asked(line: Line) -> Counter[str]:
    """Requests answered so far, by verb and resource."""
    found: Counter[str] = Counter()
    for match in _TOTAL.finditer((await line.call("GET", "/metrics")).decode()):
        labels = dict(_LABEL.findall(match[1]))
        found[f"{labels['verb']} {labels.get('resource', '')} {labels.get('subresource', '')}".strip()] += int(match[2])
    return found


async def idle(master: Master, for_s: float) -> None:
    await asyncio.sleep(5)
    before = master.busy_s()
    await asyncio.sleep(for_s)
    shares = {key: (value - before[key]) / for_s * 100 for key, value in master.busy_s().items()}
    hollow = shares.pop("nodes")
    each = ", ".join(f"{key} {value:.1f}" for key, value in shares.items())
    print(f"idle: {sum(shares.values()):.1f} % of a core ({each}); the hollow nodes {hollow:.1f} %", flush=True)


async def churn(line: Line, observer: Observer, for_s: float, rate: float) -> None:
    """Pods come and go; how long from the create until one is seen running, and what the API server says of itself."""
    before, started, asked = await _durations(line), {}, []
    begin = time.perf_counter()
    for number in range(int(for_s * rate)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        name, began = f"churn-{number:05}", time.perf_counter()
        body = {"metadata": {"name": name}, "spec": _owner(name, 1)["spec"]["template"]["spec"]}
        await line.call("POST", "/api/v1/namespaces/default/pods", body)
        started[name] = began
        asked.append(time.perf_counter() - began)
        if number >= rate * 5:
            await line.call("DELETE", f"/api/v1/namespaces/default/pods/churn-{number - int(rate * 5):05}")
    await observer.until_running(len(started), begin)
    took = sorted(observer.running[name] - began for name, began in started.items())
    said = _p99_ms(before, await _durations(line))
    print(
        f"churn of {rate:.0f} pods/s for {for_s:.0f} s: create to Running p50 {took[len(took) // 2] * 1000:.0f} ms, "
        f"p99 {took[int(len(took) * 0.99)] * 1000:.0f} ms; API p99 by its own histogram {said} ms, "
        f"creates as this client saw them {sorted(asked)[int(len(asked) * 0.99)] * 1000:.0f} ms",
        flush=True,
    )


async def _durations(line: Line) -> dict[float, int]:
    """How many requests, but lists and watches, took at most so many seconds."""
    found: dict[float, int] = {}
    for match in _FIELD.finditer((await line.call("GET", "/metrics")).decode()):
        if not re.search(r'verb="(LIST|WATCH|CONNECT)"', match[1]):
            found[float(match[2])] = found.get(float(match[2]), 0) + int(match[3])
    return found


def _p99_ms(before: dict[float, int], after: dict[float, int]) -> str:
    counts = {limit: after[limit] - before.get(limit, 0) for limit in sorted(after)}
    total = max(counts.values(), default=0)
    limit = next((limit for limit, count in counts.items() if count >= 0.99 * total), float("inf"))
    return f"≤ {limit * 1000:.0f} (of {total})"


async def measure(server: Served, files: pki.Pki, master: Master, options: argparse.Namespace) -> None:
    context = context_of(files.ca_certificate, files.certificate("root"), files.key("root"))
    line, observer = Line(server.port, context), Observer(Line(server.port, context))
    following = asyncio.ensure_future(observer.follow())
    await observer.synced.wait()
    _print_resident(master, "idle")
    if options.idle:
        await idle(master, options.idle)
    for number in range(options.rounds):
        await grow(line, observer, master, f"grow-{number}", options.pods)
    if options.full > len(observer.running):
        start, before = time.perf_counter(), len(observer.running)
        await fill(server, context, before, options)
        await observer.until_running(options.full - before, start)
        rate = (options.full - before) / (time.perf_counter() - start)
        print(f"filled up to {options.full} pods that had their node from the first, {rate:.0f} running/s")
        _print_resident(master, f"{options.full} pods")
    if options.churn:
        await churn(line, observer, options.churn_s, options.churn)
    following.cancel()


async def fill(server: Served, context: ssl.SSLContext, first: int, options: argparse.Namespace) -> None:
    """Pods up to so many, each on a node from the first, over several connections."""

    async def some(line: Line, numbers: range) -> None:
        for number in numbers:
            app = f"full-{number // _OWNED}"
            spec = _owner(app, 1)["spec"]["template"]["spec"]
            spec["nodeName"] = f"hollow-{number % options.nodes:05}"
            body = {"metadata": {"name": f"full-{number:05}", "labels": {"app": app}}, "spec": spec}
            await line.call("POST", "/api/v1/namespaces/default/pods", body)

    lines = [Line(server.port, context) for _ in range(_LINES)]
    await asyncio.gather(*(some(line, range(first + at, options.full, _LINES)) for at, line in enumerate(lines)))


def _print_resident(master: Master, when: str) -> None:
    each = ", ".join(f"{name} {mib:.0f}" for name, mib in master.resident_mib().items())
    print(f"resident MiB, {when}: {each}", flush=True)


def _busy_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(process: int) -> float:
    (line,) = (one for one in Path(f"/proc/{process}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=1_000, help="of each replication controller that grows")
    parser.add_argument("--rounds", type=int, default=3, help="how many of them grow")
    parser.add_argument("--idle", type=float, default=0, help="seconds of rest to measure")
    parser.add_argument("--full", type=int, default=0, help="pods to fill up to")
    parser.add_argument("--churn", type=float, default=0, help="pods a second that come and go")
    parser.add_argument("--churn-s", type=float, default=30)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(served(folder))
        people = pki.standard_identities(node_name="unused")
        named = [one for one in people if one.name in ("scheduler", "controller-manager")]
        files = pki.ensure(folder / "etc", named, server=server.url)
        running = {"apiserver": server.process}
        for name, user in (("controllers", "controller-manager"), ("scheduler", "scheduler")):
            running[name] = stack.enter_context(component(name, files.kubeconfig(user)))
        began = time.perf_counter()
        running["nodes"] = stack.enter_context(fleet(server, files, options.nodes))
        print(f"{options.nodes} hollow nodes registered in {time.perf_counter() - began:.1f} s", flush=True)
        asyncio.run(measure(server, files, Master(running), options))


if __name__ == "__main__":
    main()
