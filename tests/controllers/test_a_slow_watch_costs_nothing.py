"""The garbage collector while one of its copies is older than what the API server has."""

from collections.abc import Iterator

import pytest

from api.core import ConfigMap, Secret
from api.errors import NotFound
from api.meta import ObjectMeta
from client import Client, EventRecorder
from master.controllers.garbage import GarbageCollector
from master.controllers.informers import Informers
from master.controllers.ownership import reference
from tests.controllers.live import LIMIT_S, Master
from tests.e2e.waiting import until


@pytest.fixture
def secrets_unseen(master: Master) -> Iterator[None]:
    """A garbage collector that hears nothing new of secrets."""
    client = master.client("controller-manager")
    informers, recorder = Informers(client), EventRecorder(client, "garbage-collector-controller")
    collector = GarbageCollector(client, informers, recorder)
    informers.start()
    try:
        assert all(informer.wait_synced(LIMIT_S) for informer in informers.all)
        next(one for one in informers.owned if one.kind is Secret).stop()
        collector.loop.start()
        yield
    finally:
        collector.loop.stop()
        informers.stop()
        recorder.close()
        client.close()


@pytest.mark.usefixtures("secrets_unseen")
def test_orphans_are_freed_that_no_watch_has_told_of(admin: Client, namespace: str) -> None:
    """They would be collected as soon as it does."""
    owner = admin.create(ConfigMap(metadata=ObjectMeta(name="owner", namespace=namespace)))
    metadata = ObjectMeta(name="late", namespace=namespace, owner_references=[reference(owner, controller=False)])
    admin.create(Secret(metadata=metadata))
    admin.delete(ConfigMap, "owner", namespace, propagation="Orphan")

    def gone() -> bool:
        try:
            admin.get(ConfigMap, "owner", namespace)
        except NotFound:
            return True
        return False

    until(gone)
    assert admin.get(Secret, "late", namespace).metadata.owner_references == []
