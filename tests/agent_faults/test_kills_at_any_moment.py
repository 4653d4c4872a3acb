"""An agent that is killed at random moments doubles nothing, leaves nothing behind and loses no address."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
from docker.api import APIClient

from tests.agent_faults.conftest import LIMIT_S, Site
from tests.e2e.doors import restarts
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
MOST_KILLS = 4  # at a time: one that is killed too often gets nowhere


@dataclass
class Happenings:
    """How often anything has happened to the cluster's containers."""

    count: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for_more(self, more: int, unless: Callable[[], bool]) -> bool:
        """False when it is all over before so many have come."""
        with self.changed:
            wanted = self.count + more
            while self.count < wanted:
                if unless():
                    return False
                self.changed.wait(0.2)
        return True


@contextmanager
def happenings(site: Site) -> Iterator[Happenings]:
    client = APIClient(version="auto")
    ours = {"label": f"io.steersman.cluster={site.parts.cluster.slot.name}"}
    stream, seen = client.events(filters=ours), Happenings()

    def count() -> None:
        for _ in stream:
            with seen.changed:
                seen.count += 1
                seen.changed.notify_all()

    thread = threading.Thread(target=count, name="test-docker-events", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stream.close()
        thread.join(5)
        client.close()


def kill_now_and_then(site: Site, seen: Happenings, over: Callable[[], bool], *, settings: dict[str, str]) -> int:
    """Kills the agent after every few happenings, some times, until it is over; how often."""
    kills = 0
    while kills < MOST_KILLS and seen.wait_for_more(random.randint(1, 20), over):
        site.parts.kill("agent")
        site.start_agent(**settings)
        kills += 1
    until(over, limit_s=LIMIT_S, what="the end of it")
    return kills


@pytest.mark.parametrize(
    ("waves", "pods", "cidr_bits"), [(1, 5, 29), pytest.param(4, 25, 27, marks=[pytest.mark.long])]
)
@pytest.mark.timeout(900)
def test_starts_and_ends_survive_kills(site: Site, waves: int, pods: int, cidr_bits: int) -> None:
    network = ip_network(f"10.151.{site.parts.cluster.slot.number}.0/{cidr_bits}")
    settings = {"pod_cidr": str(network)}
    site.start_agent(**settings)
    site.wait_node()
    kills = 0
    with happenings(site) as seen:
        for wave in range(waves):
            names = [f"pod-{wave}-{number}" for number in range(pods)]
            for name in names:
                site.create(name)
            kills += kill_now_and_then(site, seen, lambda: is_up(site, pods), settings=settings)
            nothing_is_doubled(site, pods)
            for name in names:
                site.delete(name)
            kills += kill_now_and_then(site, seen, lambda: not site.pods(), settings=settings)
            nothing_is_left(site)
    assert kills >= 2 * waves
    # Every address but the gateway's can be had: none was lost on the way.
    free = network.num_addresses - 3
    for number in range(free):
        site.create(f"last-{number}")
    site.wait_ready(free)
    nothing_is_doubled(site, free)


def is_up(site: Site, pods: int) -> bool:
    site_pods = site.pods()
    return len(site_pods) == pods and all(
        any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", ()))
        for found in site_pods
    )


def nothing_is_doubled(site: Site, pods: int) -> None:
    found = site.pods()
    assert len({one["status"]["podIP"] for one in found}) == pods
    assert [restarts(one) for one in found] == [0] * pods
    wanted = sorted(f"k8s_{name}_{one['metadata']['name']}_" for one in found for name in ("POD", "main"))

    def whole() -> bool:
        return sorted("_".join(name.split("_")[:3]) + "_" for name in site.containers()) == wanted

    until(whole, limit_s=LIMIT_S, what="a sandbox and a container for each pod")


def nothing_is_left(site: Site) -> None:
    root = site.parts.cluster.root
    until(lambda: site.containers() == [], limit_s=LIMIT_S, what="no containers")
    until(lambda: not list((root / "var/lib/steersman/agent/pods").iterdir()), limit_s=20, what="no folders of pods")
    assert list(site.parts.cluster.folder.glob("containers/*")) == []
