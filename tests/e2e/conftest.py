"""One cluster for all these tests, with the guestbook on it; a namespace for each test that wants one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Api, Kubectl, Object, is_ready
from tests.e2e.guestbook import Visitor
from tests.e2e.sessions import api, kubectl
from tests.e2e.traces import Traces, left_behind
from tests.e2e.waiting import seconds_until, until

__all__ = ["api", "kubectl"]
FIGURES = pytest.StashKey[dict[str, str]]()
CLUSTERS = pytest.StashKey[list[Cluster]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    config.stash[CLUSTERS] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what the components logged beside a test that failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        for cluster in item.config.stash[CLUSTERS]:
            report.sections.append((f"logs of {cluster.slot.name}", cluster.ends_of_logs()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what was measured on the way."""
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("measured")
        for name, value in figures.items():
            terminalreporter.write_line(f"{name:<45} {value}")


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    """What is measured, not judged; printed at the end."""
    return request.config.stash[FIGURES]


@pytest.fixture(scope="session")
def watched(request: pytest.FixtureRequest) -> list[Cluster]:
    """Clusters whose logs are shown when a test fails."""
    return request.config.stash[CLUSTERS]


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, figures: dict[str, str], watched: list[Cluster]
) -> Iterator[Cluster]:
    """A running cluster, uninstalled at the end whatever happens; then nothing of it may be left."""
    book.build_images()
    made = Cluster(free_slot(os.getpid()), tmp_path_factory.mktemp("cluster"))
    before = Traces.taken()
    watched.append(made)
    try:
        figures["steersman up, first"] = f"{seconds_until(lambda: made.up() or True, limit_s=120):.1f} s"
        yield made
    finally:
        figures["steersman uninstall"] = f"{seconds_until(lambda: made.remove() or True, limit_s=120):.1f} s"
        watched[:] = [one for one in watched if one is not made]
    until(lambda: not left_behind(made, before), limit_s=5, what=f"nothing left: {left_behind(made, before)}")


@pytest.fixture(scope="session")
def node(api: Api) -> Object:
    """The cluster's one node."""
    (found,) = api.get("/api/v1/nodes")["items"]
    return dict(found)


@pytest.fixture(scope="session")
def node_address(node: Object) -> str:
    (found,) = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
    return str(found)


@pytest.fixture(scope="session")
def created(cluster: Cluster, kubectl: Kubectl, api: Api, figures: dict[str, str]) -> str:
    """The guestbook, created from one file and ready; what kubectl said."""
    manifest = book.manifest_for(cluster)
    said: list[str] = []

    def ready() -> bool:
        if not said:
            said.append(kubectl("create", "-f", str(manifest)))
        return book.is_up(api)

    took = seconds_until(ready, limit_s=book.READY_LIMIT_S, what="six ready pods")
    figures["create -f until six pods are ready"] = f"{took:.1f} s"
    return said[0]


@pytest.fixture(scope="session")
def visitor(created: str, cluster: Cluster, node_address: str) -> Visitor:
    """A visitor of the guestbook at NODE:nodePort, which serves."""
    found = Visitor(f"http://{node_address}:{cluster.node_port}")
    until(found.is_served, limit_s=10, what="the guestbook at its node port")
    return found


@pytest.fixture
def namespace(kubectl: Kubectl, api: Api) -> Iterator[str]:
    """A namespace of the test's own; its deletion is asked for at the end and not waited for."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    api.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def run(kubectl: Kubectl, api: Api, namespace: str) -> Callable[..., Object]:
    """Create a pod in the test's namespace and wait until a condition on it holds, being ready by default."""

    def create(wanted: Object, condition: Callable[[Object], object] | None = None) -> Object:
        kubectl.create(wanted, namespace=namespace)
        name = wanted["metadata"]["name"]
        holds = condition or is_ready
        until(lambda: holds(api.pod(name, namespace)), limit_s=20, what=f"pod {name}: {condition or 'ready'}")
        return api.pod(name, namespace)

    return create
