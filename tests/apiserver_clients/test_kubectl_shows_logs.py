"""``kubectl logs``, of a node whose agent is played by the test."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from kubectls import Kubectl
from played_agent import PlayedAgent, agent_that, node_at
from tests_apiserver import Api, pod

from master import pki


class _Agent(PlayedAgent):
    """Answers with what was asked."""

    def lines(self) -> list[str]:
        asked = urlsplit(self.path)
        return [f"{asked.path}?{asked.query}", "second line"]


@pytest.fixture(scope="session")
def agent(certificates: pki.Pki) -> Iterator[int]:
    """The port of an agent with the certificate of node n1."""
    with agent_that(_Agent, certificates) as port:
        yield port


def test_logs_are_asked_of_the_node(kubectl: Kubectl, admin: Api, agent: int, request: pytest.FixtureRequest) -> None:
    node = f"node-{kubectl.namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    assert admin.post("/api/v1/nodes", node_at(agent, node)).status == 201
    admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", pod("web", nodeName=node))
    first, second = kubectl("logs", "web", "--tail=5", "--timestamps").splitlines()
    assert first.startswith(f"/containerLogs/{kubectl.namespace}/web/c?")
    assert {"tailLines=5", "timestamps=true"} <= set(first.partition("?")[2].split("&"))
    assert second == "second line"
    assert "follow=true" in kubectl("logs", "-f", "pod/web", "-c", "c")
    assert "container nope is not valid for pod web" in kubectl.refused("logs", "web", "-c", "nope")
