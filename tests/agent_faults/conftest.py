"""A master and an agent as processes of their own, so that either can be harmed alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Api, Object, is_ready
from tests.e2e.pods import pod, shell
from tests.e2e.waiting import until
from tests.peers.mixed import Mixed

LIMIT_S = 120.0
ENDS_ON_TERM = shell("trap 'exit 0' TERM; sleep 3600 & wait")


@dataclass(slots=True)
class Site:
    """A node whose agent is started and killed by the test."""

    parts: Mixed
    api: Api

    @property
    def node(self) -> str:
        return f"node-{self.parts.cluster.slot.number}"

    def start_agent(self, **settings: Any) -> None:
        self.parts.ours("agent", **settings)

    def wait_node(self) -> None:
        """Pods of a node that is not there are removed."""
        until(lambda: self.api.is_there(f"/api/v1/nodes/{self.node}"), limit_s=30, what="the node")

    def create(self, name: str, wanted: Object | None = None) -> None:
        made = wanted or pod(name, *ENDS_ON_TERM, terminationGracePeriodSeconds=5)
        made["spec"] |= {"nodeName": self.node, "automountServiceAccountToken": False}
        answer = self.api.call("POST", "/api/v1/namespaces/default/pods", json=made)
        assert answer.status_code == 201, answer.text

    def delete(self, name: str) -> None:
        answer = self.api.call("DELETE", f"/api/v1/namespaces/default/pods/{name}")
        assert answer.status_code == 200, answer.text

    def pods(self) -> list[Object]:
        return self.api.items("pods")

    def wait_ready(self, count: int, *, limit_s: float = LIMIT_S) -> None:
        until(lambda: sum(map(is_ready, self.pods())) == count, limit_s=limit_s, what=f"{count} ready pods")

    def wait_gone(self, *, limit_s: float = LIMIT_S) -> None:
        until(lambda: not self.pods(), limit_s=limit_s, what="no pods")

    def containers(self) -> list[str]:
        """Names of this cluster's containers, the dead ones too."""
        ours = f"label=io.steersman.cluster={self.parts.cluster.slot.name}"
        return self.parts.cluster.docker("ps", "--all", "--filter", ours, "--format", "{{.Names}}").split()


def made_site(folder: Path, cluster: Cluster) -> Iterator[Site]:
    """The master's side of a cluster, without an agent yet."""
    cluster.guard()
    parts = Mixed(cluster, folder)
    try:
        parts.ours("apiserver")
        parts.ours("controllers")
        api = Api(cluster, folder)
        try:
            until(lambda: _answers(api), limit_s=30, what="the API")
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            until(lambda: api.is_there(account), limit_s=30, what="the default account")
            yield Site(parts, api)
        finally:
            api.close()
    except BaseException:
        print(parts.ends_of_logs())
        raise
    finally:
        _close(parts)


def _close(parts: Mixed) -> None:
    """Docker 20.10 counts an endpoint too many now and then when its callers are killed. The address is free, as the
    tests see, but it lets go of the network only after it was started anew."""
    try:
        parts.close()
    except AssertionError as error:
        if "Docker counts a container on it that is not there" not in str(error):
            raise


def _answers(api: Api) -> bool:
    try:
        return api.call("GET", "/readyz").status_code == 200
    except OSError:
        return False


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    book.build_images()
    (tmp_path / "api").mkdir()
    yield from made_site(tmp_path / "api", Cluster(free_slot(50 + os.getpid()), tmp_path))
