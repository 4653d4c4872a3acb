"""Clusters of mixed parts; the programs of Kubernetes are those that scripts/peers has built."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Api, Kubectl
from tests.e2e.traces import Traces, left_behind
from tests.e2e.waiting import until
from tests.peers.mixed import Mixed, folder

LIMIT_S = 60.0
MIXED = pytest.StashKey[list[Mixed]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MIXED] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what the parts logged beside a test that failed."""
    outcome = yield
    report: Any = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        for mixed in item.config.stash[MIXED]:
            report.sections.append(("logs of the parts", mixed.ends_of_logs()))


@pytest.fixture(scope="session")
def peers() -> Path:
    """Where the programs are."""
    found = folder()
    if not (found / "client-go").exists():
        pytest.skip("Kubernetes' programs are not built: run scripts/peers")
    return found


@pytest.fixture(scope="module")
def mixed(
    peers: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Mixed]]:
    """Makes clusters without any part yet; nothing of them may be left at the end."""
    made: list[Mixed] = []
    before = Traces.taken()

    def make() -> Mixed:
        cluster = Cluster(free_slot(os.getpid() + len(made)), tmp_path_factory.mktemp("mixed"))
        cluster.guard()
        one = Mixed(cluster, peers)
        made.append(one)
        request.config.stash[MIXED].append(one)
        return one

    yield make
    for one in made:
        one.close()
        request.config.stash[MIXED].remove(one)
        until(lambda one=one: not left_behind(one.cluster, before), limit_s=10, what="nothing left")


def answering(mixed: Mixed, folder: Path) -> Api:
    """The admin's door, once the API server is ready."""
    api = Api(mixed.cluster, folder)

    def ready() -> bool:
        try:
            return api.call("GET", "/readyz").status_code == 200
        except OSError:
            return False

    until(ready, limit_s=LIMIT_S, what="an API server that is ready")
    return api


@pytest.fixture(scope="module")
def our_master(mixed: Callable[[], Mixed]) -> Mixed:
    """Our API server, and nothing else yet."""
    made = mixed()
    made.ours("apiserver")
    return made


@pytest.fixture(scope="module")
def their_master(mixed: Callable[[], Mixed]) -> Mixed:
    """Kubernetes' API server over etcd, and nothing else yet."""
    made = mixed()
    made.theirs("kube-apiserver")
    return made


@pytest.fixture(scope="module")
def our_api(our_master: Mixed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = answering(our_master, tmp_path_factory.mktemp("api"))
    yield api
    api.close()


@pytest.fixture(scope="module")
def their_api(their_master: Mixed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = answering(their_master, tmp_path_factory.mktemp("api"))
    yield api
    api.close()


@pytest.fixture(scope="module")
def our_kubectl(our_master: Mixed, our_api: Api, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(our_master.cluster, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def their_kubectl(their_master: Mixed, their_api: Api, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(their_master.cluster, tmp_path_factory.mktemp("home"))
