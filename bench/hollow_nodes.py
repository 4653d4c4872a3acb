"""A whole master with many hollow nodes: how fast pods come to be, and what it costs when nothing happens.

All processes, what measures among them, share the machine. For each number of nodes: a rest, replication controllers
that grow one after the other, more pods up to so many, and pods that come and go. With ``--bare`` the scheduler alone
with nodes for which nobody acts: pods made directly over 32 connections until the last has its node.

Run: python -m bench.hollow_nodes [--nodes 100 --pods 1000] [--nodes 1000 --idle 30 --full 30000 --churn 20]
The cost of a pod against the number of nodes: python -m bench.hollow_nodes --nodes 100,1000,5000 --idle 20
The scheduler alone: python -m bench.hollow_nodes --bare --rounds 5
"""

import argparse
import asyncio
import time
from typing import Any

from bench.filling import fill
from bench.hollow import Line
from bench.hollow_site import Site, site
from bench.observing import Observer, asked, durations, p99_ms, settled
from bench.served import pod

_OWNED, _LINES = 1_000, 16
Costs = dict[str, float]


def _owner(name: str, replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    template["spec"]["containers"][0] |= {"name": "c", "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name}, "spec": spec}


class Measurement:
    """On one site. ``rest``: what each process takes of a core when nothing happens, as far as that was measured."""

    def __init__(self, place: Site, line: Line, observer: Observer) -> None:
        self._site = place
        self._line = line
        self._observer = observer
        self.rest: Costs = {}

    def say_resident(self, when: str) -> None:
        each = ", ".join(f"{name} {mib:.1f}" for name, mib in self._site.processes.resident_mib().items())
        print(f"resident MiB, {when}: {each}", flush=True)

    async def idle(self, for_s: float) -> None:
        """While nothing is written but heartbeats."""
        before = self._site.processes.busy_s()
        await asyncio.sleep(for_s)
        self.rest = {key: (value - before[key]) / for_s for key, value in self._site.processes.busy_s().items()}
        shares = {key: 100 * value for key, value in self.rest.items() if key != "nodes"}
        each = ", ".join(f"{key} {value:.1f}" for key, value in shares.items())
        hollow = 100 * self.rest["nodes"]
        print(f"idle: {sum(shares.values()):.1f} % of a core ({each}); the hollow nodes {hollow:.1f} %", flush=True)

    async def grow(self, name: str, replicas: int) -> Costs:
        """A replication controller from none to so many; what a pod costs, without what rest would have cost."""
        path = "/api/v1/namespaces/default/replicationcontrollers"
        observer, before, start = self._observer, await asked(self._line), time.perf_counter()
        busy = self._site.processes.busy_s()
        await self._line.call("POST", path, _owner(name, replicas))
        times = (observer.seen, observer.bound, observer.running)
        rates = [replicas / (await observer.until(each, replicas, start) - start) for each in times]
        costs = self._costs(busy, start, replicas)
        print(f"{name}: {replicas} pods, created {rates[0]:.0f}/s, bound {rates[1]:.0f}/s, running {rates[2]:.0f}/s")
        self._say(costs)
        requests = {key: (count - before[key]) / replicas for key, count in (await asked(self._line)).items()}
        listed = ", ".join(f"{key} {count:.2f}" for key, count in requests.items() if count >= 0.01)
        print(f"  requests a pod: {listed}", flush=True)
        return costs

    async def direct(self, name: str, count: int) -> Costs:
        """Pods created at once, until the last is bound."""
        busy, start = self._site.processes.busy_s(), time.perf_counter()
        await fill(self._site.server, name, count)
        created = count / (time.perf_counter() - start)
        bound = count / (await self._observer.until(self._observer.bound, count, start) - start)
        print(f"{name}: {count} pods, created {created:.0f}/s, bound {bound:.0f}/s")
        costs = self._costs(busy, start, count)
        self._say(costs)
        return costs

    def _costs(self, busy: Costs, start: float, count: int) -> Costs:
        took_s = time.perf_counter() - start
        now = self._site.processes.busy_s()
        return {key: (now[key] - busy[key] - self.rest.get(key, 0.0) * took_s) / count * 1e6 for key in now}

    def _say(self, costs: Costs) -> None:
        print("  processor µs a pod: " + ", ".join(f"{key} {value:.0f}" for key, value in costs.items()), flush=True)

    async def full(self, count: int) -> None:
        """Up to so many pods, each on a node from the first."""
        start, before = time.perf_counter(), len(self._observer.running)

        async def some(line: Line, numbers: range) -> None:
            for number in numbers:
                app = f"full-{number // _OWNED}"
                spec = _owner(app, 1)["spec"]["template"]["spec"]
                spec["nodeName"] = f"hollow-{number % self._site.nodes:05}"
                body = {"metadata": {"name": f"full-{number:05}", "labels": {"app": app}}, "spec": spec}
                await line.call("POST", "/api/v1/namespaces/default/pods", body)

        lines = [Line(self._site.server.port, self._site.context) for _ in range(_LINES)]
        await asyncio.gather(*(some(line, range(before + at, count, _LINES)) for at, line in enumerate(lines)))
        await self._observer.until(self._observer.running, count - before, start)
        rate = (count - before) / (time.perf_counter() - start)
        print(f"filled up to {count} pods that had their node from the first, {rate:.0f} running/s")
        self.say_resident(f"{count} pods")

    async def churn(self, for_s: float, rate: float) -> None:
        """Pods come and go; how long from the create until one is seen running, and what the API server says."""
        before, started, took = await durations(self._line), {}, []
        begin = time.perf_counter()
        for number in range(int(for_s * rate)):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            name, began = f"churn-{number:05}", time.perf_counter()
            body = {"metadata": {"name": name}, "spec": _owner(name, 1)["spec"]["template"]["spec"]}
            await self._line.call("POST", "/api/v1/namespaces/default/pods", body)
            started[name] = began
            took.append(time.perf_counter() - began)
            if number >= rate * 5:
                await self._line.call("DELETE", f"/api/v1/namespaces/default/pods/churn-{number - int(rate * 5):05}")
        await self._observer.until(self._observer.running, len(started), begin)
        waited = sorted(self._observer.running[name] - began for name, began in started.items())
        said = p99_ms(before, await durations(self._line))
        print(
            f"churn of {rate:.0f} pods/s for {for_s:.0f} s: create to Running p50 {_share(waited, 0.5):.0f} ms, "
            f"p99 {_share(waited, 0.99):.0f} ms; API p99 by its own histogram {said} ms, "
            f"creates as this client saw them {_share(sorted(took), 0.99):.0f} ms",
            flush=True,
        )


def _share(ordered: list[float], share: float) -> float:
    """In ms."""
    return ordered[int(len(ordered) * share)] * 1000


async def measure(place: Site, options: argparse.Namespace) -> Costs:
    """What a pod cost, of the rounds the one with the least."""
    line, observer = Line(place.server.port, place.context), Observer(Line(place.server.port, place.context))
    following = asyncio.ensure_future(observer.follow())
    await observer.synced.wait()
    measurement = Measurement(place, line, observer)
    await settled(line)
    measurement.say_resident("idle")
    if options.idle:
        await measurement.idle(options.idle)
    act = measurement.direct if options.bare else measurement.grow
    rounds = [await act(f"round-{number}", options.pods) for number in range(options.rounds)]
    if options.full > len(observer.running):
        await measurement.full(options.full)
    if options.churn:
        await measurement.churn(options.churn_s, options.churn)
    following.cancel()
    return min(rounds, key=lambda costs: sum(costs.values()), default={})


def _say_curve(found: dict[int, Costs]) -> None:
    names = list(next(iter(found.values())))
    print("| nodes | " + " | ".join(f"{name}, µs a pod" for name in names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for nodes, costs in found.items():
        print(f"| {nodes:,} | " + " | ".join(f"{costs[name]:.0f}" for name in names) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="100", help="how many; several numbers for a curve")
    parser.add_argument("--pods", type=int, default=1_000, help="of each replication controller that grows")
    parser.add_argument("--rounds", type=int, default=3, help="how many of them grow")
    parser.add_argument("--bare", action="store_true", help="the scheduler alone, pods made directly")
    parser.add_argument("--idle", type=float, default=0, help="seconds of rest to measure")
    parser.add_argument("--full", type=int, default=0, help="pods to fill up to")
    parser.add_argument("--churn", type=float, default=0, help="pods a second that come and go")
    parser.add_argument("--churn-s", type=float, default=30)
    options = parser.parse_args()
    found = {}
    for nodes in map(int, options.nodes.split(",")):
        began = time.perf_counter()
        with site(nodes, bare=options.bare) as place:
            print(f"{nodes} hollow nodes registered in {time.perf_counter() - began:.1f} s", flush=True)
            found[nodes] = asyncio.run(measure(place, options))
    if options.rounds and len(found) > 1:
        _say_curve(found)


if __name__ == "__main__":
    main()
