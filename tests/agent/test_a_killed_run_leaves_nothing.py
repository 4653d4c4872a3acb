"""A run of these tests that is killed clears nothing up itself."""

import uuid

import pytest
from docker.api import APIClient

from tests.agent.guarding import guarded
from tests.e2e.waiting import until


@pytest.mark.docker
def test_the_guard_takes_containers_and_network_away(docker_client: APIClient, image: str) -> None:
    unique = uuid.uuid4().hex[:8]
    name, bridge, label = f"test-{unique}", f"st{unique}", {"io.steersman.cluster": f"test-{unique}"}
    with guarded(name, bridge) as guard:
        docker_client.create_network(bridge, labels=label)
        host_config = docker_client.create_host_config(network_mode=bridge)
        made = docker_client.create_container(image, ["sleep", "600"], labels=label, host_config=host_config)
        docker_client.start(made)
        assert guard.stdin is not None
        guard.stdin.close()
        until(lambda: not docker_client.networks(names=[bridge]), what="its network is gone")
        assert docker_client.containers(all=True, filters={"label": f"io.steersman.cluster={name}"}) == []
