"""What a pod costs on a node: times beside bare ``docker run`` in the same run, and what the agent takes meanwhile.

    python -m bench.agent [--only one,many,full,probes] [--json]

A whole cluster in its own slot of this machine: apiserver with TLS and a durable store, controllers, scheduler, agent.
Times run from the call to the moment at which a watch of the API shows what was asked for. The floor is the docker
command, four at once: one container a pod, where a pod is two.

one     single pods, one after the other
many    a controller scaled from 0 to 30 and back; meanwhile the agent at rest, and killed
full    110 pods: are all ready, and does the node stay so?
probes  50 pods, each with an exec probe every second: processor time of the agent
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

from api.core import Node, Pod
from bench.agent_floor import run_and_end
from bench.agent_site import NAMESPACE, Site, busy_s, freeze_and_kill, is_ready, site

_ROUNDS = 20
_MANY, _FULL, _PROBED = 30, 110, 50
_WATCHED_S = 20.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; ``floor`` is that of bare Docker, None where there is none."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    floor: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(_PARTS), help="parts to measure, with commas between")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with site() as here:
        rows = [row for name in options.only.split(",") for row in _PARTS[name](here)]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{'figure':<56} {'bare Docker':>11} {'here':>9} {'goal':>8}")
    for row in rows:
        floor, goal = ("–" if told is None else f"{told:.3g}" for told in (row.floor, row.goal))
        print(f"{row.name:<56} {floor:>11} {row.value:>9.2f} {goal:>8} {row.unit}")


def _one(here: Site) -> Iterator[Row]:
    floors, starts, ends = [], [], []
    for number in range(_ROUNDS):
        floors.append(run_and_end(here.image, 1)[0])
        name = f"one-{number}"
        starts.append(_timed(partial(here.create, name), here, partial(here.is_up, name)))
        ends.append(_timed(partial(here.delete, name), here, lambda: not here.seen()))
    yield Row("one pod, POST until Ready, p50", statistics.median(starts), "s", 0.45, statistics.median(floors))
    yield Row(f"one pod, POST until Ready, worst of {_ROUNDS}", max(starts), "s", 0.7, max(floors))
    yield Row("one DELETE until gone, p50", statistics.median(ends), "s", 0.4)


def _many(here: Site) -> Iterator[Row]:
    floor_up_s, floor_down_s = run_and_end(here.image, _MANY)
    here.make_controller("many")
    up_s = _scaled(here, "many", _MANY)
    yield Row(f"controller 0 -> {_MANY}, all Ready", up_s, "s", 7, floor_up_s)
    yield from _at_rest(here)
    yield Row(f"agent killed, until {_MANY} pods are adopted and told", _adopted_s(here), "s", 1)
    yield Row(f"controller {_MANY} -> 0, all gone", _scaled(here, "many", 0), "s", 4, floor_down_s)


def _at_rest(here: Site) -> Iterator[Row]:
    percent, memory = _busy_percent(here), here.agent().memory_full_info()
    yield Row(f"agent with {_MANY} quiet pods, CPU of a core", percent, "%", 0.5)
    yield Row(f"agent with {_MANY} quiet pods, resident, its share", memory.pss / _MIB, "MiB", 45)
    yield Row("the same, with all that it shares with other components", memory.rss / _MIB, "MiB")


def _adopted_s(here: Site) -> float:
    """From the start of the next agent's process until it has put right every pod's status, made wrong before."""
    pods, old = here.seen(), here.agent()

    def make_wrong() -> None:
        for pod in pods:
            patch = {"status": {"phase": "Unknown"}}
            here.client.patch(Pod, pod.metadata.name, NAMESPACE, patch, subresource="status", form="merge")

    freeze_and_kill(old, make_wrong)
    here.wait(lambda: all(pod.status.phase == "Unknown" for pod in here.seen()))
    process = here.next_agent(old.pid)
    here.wait(lambda: all(pod.status.phase == "Running" and is_ready(pod) for pod in here.seen()))
    return time.time() - process.create_time()


def _full(here: Site) -> Iterator[Row]:
    running = sum(pod.metadata.namespace != NAMESPACE for pod in here.pods.items())
    here.make_controller("full")
    yield Row(f"controller 0 -> {_FULL}, all Ready", _scaled(here, "full", _FULL - running), "s")
    busy_percent = _busy_percent(here)
    yield Row(f"agent with {_FULL} pods, CPU of a core", busy_percent, "%")
    yield Row(f"pods of {_FULL} ready after {_WATCHED_S:g} s", float(len(here.ready()) + running), "", _FULL)
    (node,) = here.client.list(Node).items
    fine = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    yield Row("node is Ready (1: yes)", float(fine), "", 1)
    yield Row(f"controller {_FULL} -> 0, all gone", _scaled(here, "full", 0), "s")


def _probes(here: Site) -> Iterator[Row]:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 10}
    here.make_controller("probed", livenessProbe=probe)
    _scaled(here, "probed", _PROBED)
    before, began = here.probes_made(), time.perf_counter()
    percent = _busy_percent(here)
    rate = (here.probes_made() - before) / (time.perf_counter() - began)
    yield Row(f"agent with an exec probe every second in {_PROBED} pods", percent, "%", 10)
    yield Row("probes that Docker managed meanwhile", rate, "/s")
    yield Row("processor time of the agent for each", 10.0 * percent / rate, "ms", 2)
    _scaled(here, "probed", 0)


def _scaled(here: Site, name: str, replicas: int) -> float:
    def reached() -> bool:
        return len(here.ready()) == replicas and len(here.seen()) == replicas

    return _timed(partial(here.scale, name, replicas), here, reached)


def _timed(action: Callable[[], None], here: Site, holds: Callable[[], bool]) -> float:
    began = time.perf_counter()
    action()
    here.wait(holds)
    return time.perf_counter() - began


def _busy_percent(here: Site) -> float:
    """Of one core, by the agent's own process, over a while."""
    time.sleep(3.0)  # the last reports of what was just done
    agent = here.agent()
    began, before_s = time.perf_counter(), busy_s(agent)
    time.sleep(_WATCHED_S)
    return 100.0 * (busy_s(agent) - before_s) / (time.perf_counter() - began)


_PARTS: dict[str, Callable[[Site], Iterator[Row]]] = {"one": _one, "many": _many, "full": _full, "probes": _probes}


if __name__ == "__main__":
    main()
