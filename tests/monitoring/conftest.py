"""One cluster for the tests of this folder, with pods at work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from dnslib import DNSRecord

from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Kubectl


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    book.build_images()
    made = Cluster(free_slot(os.getpid()), tmp_path_factory.mktemp("cluster"))
    try:
        made.up()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="package")
def look_up(cluster: Cluster) -> Callable[[], object]:
    """Asks the name server for the address of the API: nobody else of these tests asks it for anything."""
    question = DNSRecord.question("kubernetes.default.svc.cluster.local")
    return lambda: question.send(cluster.dns_address, 53, timeout=10)


@pytest.fixture(scope="package")
def kubectl(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(cluster, tmp_path_factory.mktemp("home"))
