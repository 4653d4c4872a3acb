"""Addresses of pods that went are given to others: none is lost, also when pods go in the midst of their start."""

import random
from ipaddress import ip_network

import pytest

from api.core import Pod
from tests.agent.cluster import Cluster, ready
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.long]
PODS, WAVE = 1000, 25
ENDS_ON_TERM = "trap 'exit 0' TERM; sleep 3600 & wait"


@pytest.mark.timeout(3600)
def test_no_address_is_lost_after_a_thousand_pods(cluster: Cluster) -> None:
    network = ip_network(cluster.cidr.replace("/24", "/27"))
    cluster.start_agent(pod_cidr=str(network))
    for wave in range(PODS // WAVE):
        names = [f"pod-{wave}-{number}" for number in range(WAVE)]
        for name in names:
            cluster.create(name, ENDS_ON_TERM)
        wanted = WAVE if wave % 2 else random.randint(1, WAVE)  # every other wave goes while it still comes
        _wait_addresses(cluster, wanted)
        for name in names:
            cluster.delete(name, grace_s=2)
        until(lambda: not cluster.api.items(Pod), limit_s=300, what=lambda: str(len(cluster.api.items(Pod))))
        assert cluster.containers() == []
    # Every address but the network's, the gateway's and that for all can be had.
    free = network.num_addresses - 3
    for number in range(free):
        cluster.create(f"last-{number}", ENDS_ON_TERM)
    addresses = _wait_addresses(cluster, free)
    assert addresses == {str(one) for one in network.hosts()} - {str(network[1])}


def _wait_addresses(cluster: Cluster, count: int) -> set[str]:
    """Those of pods that are ready, when there are so many."""

    def found() -> list[str]:
        return [pod.status.pod_ip for pod in cluster.api.items(Pod) if ready(pod)]

    until(lambda: len(found()) >= count, limit_s=300, what=lambda: str(found()))
    assert len(set(found())) >= count
    return set(found())
