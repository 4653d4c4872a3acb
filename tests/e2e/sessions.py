"""What the tests of one cluster share: ways to ask it. A conftest that has a fixture ``cluster`` imports these."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(cluster, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def api(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    made = Api(cluster, tmp_path_factory.mktemp("api"))
    yield made
    made.close()
