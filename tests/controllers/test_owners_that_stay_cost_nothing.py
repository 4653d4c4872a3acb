"""The garbage collector looks at an owner only when one of its objects may have to go."""

from unittest.mock import create_autospec

import pytest

from api.core import Pod, ReplicationController
from api.meta import ObjectMeta, OwnerReference
from client import Client, EventRecorder
from master.controllers.garbage import GarbageCollector
from master.controllers.informers import Informers
from tests.controllers.made import NOW


def owned(name: str, uid: str = "rc") -> Pod:
    owner = OwnerReference(api_version="v1", kind="ReplicationController", name=name, uid=uid)
    return Pod(metadata=ObjectMeta(name="p", namespace="default", uid="p", owner_references=[owner]))


def owner(*, going: bool = False, namespace: str = "default") -> ReplicationController:
    gone = NOW if going else None
    return ReplicationController(
        metadata=ObjectMeta(name="web", namespace=namespace, uid="rc", deletion_timestamp=gone)
    )


@pytest.mark.parametrize(
    ("there", "dependent", "looks"),
    [
        (owner(), owned("web"), False),
        (owner(going=True), owned("web"), True),
        (owner(namespace="other"), owned("web"), True),
        (owner(), owned("another name"), True),
        (owner(), owned("web", uid="another"), True),
    ],
)
def test_a_dependent_has_its_owner_looked_at(there: ReplicationController, dependent: Pod, *, looks: bool) -> None:
    client = create_autospec(Client, instance=True)
    informers = Informers(client)
    informers.replication_controllers._replace((there.metadata.namespace, "web"), None, there)
    collector = GarbageCollector(client, informers, create_autospec(EventRecorder, instance=True))
    informers.pods._replace(("default", "p"), None, dependent)
    assert bool(len(collector.loop.queue)) is looks
    informers.replication_controllers._replace((there.metadata.namespace, "web"), there, None)
    assert len(collector.loop.queue), "its going is told by itself"
