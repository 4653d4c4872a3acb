"""Claims and volumes find each other, and stay together."""

from typing import Any

import pytest

from api.codec import convert
from api.core import PersistentVolume, PersistentVolumeClaim
from client import Client
from master.controllers.volumes import choose
from tests.controllers.conftest import Start
from tests.controllers.live import until


def _volume(name: str, size: str = "1Gi", **spec: Any) -> PersistentVolume:
    more = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}, **spec}
    return convert({"metadata": {"name": name}, "spec": more}, PersistentVolume)


def _claim(size: str = "1Gi", namespace: str = "ns", **spec: Any) -> PersistentVolumeClaim:
    more = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return convert(
        {"metadata": {"name": "data", "namespace": namespace, "uid": "u"}, "spec": more}, PersistentVolumeClaim
    )


def _ref(**more: str) -> dict[str, str]:
    return {"namespace": "ns", "name": "data", **more}


@pytest.mark.parametrize(
    ("claim", "volumes", "wanted"),
    [
        (_claim(), [_volume("big", "9Gi"), _volume("small", "2Gi")], "small"),
        (_claim("3Gi"), [_volume("small", "2Gi")], None),
        (_claim(), [_volume("small"), _volume("kept", "9Gi", claimRef=_ref())], "kept"),
        (_claim(), [_volume("others", claimRef=_ref(name="other"))], None),
        (_claim(), [_volume("past", claimRef=_ref(uid="earlier"))], None),
        (_claim(accessModes=["ReadWriteMany"]), [_volume("once")], None),
        (_claim(storageClassName="fast"), [_volume("slow")], None),
        (_claim(volumeName="b"), [_volume("a"), _volume("b", "9Gi")], "b"),
    ],
)
def test_the_volume_is_the_reserved_or_the_smallest_that_fits(
    claim: PersistentVolumeClaim, volumes: list[PersistentVolume], wanted: str | None
) -> None:
    found = choose(claim, volumes)
    assert (found.metadata.name if found else None) == wanted


def test_a_claim_is_bound_and_its_volume_released_after_it(admin: Client, controllers: Start, namespace: str) -> None:
    claim = _claim(namespace=namespace)
    claim.metadata.uid = ""
    admin.create(claim)
    controllers()

    def phases() -> tuple[str, str]:
        return (
            admin.get(PersistentVolumeClaim, "data", namespace).status.phase,
            admin.get(PersistentVolume, f"v-{namespace}").status.phase,
        )

    until(lambda: admin.get(PersistentVolumeClaim, "data", namespace).status.phase == "Pending")
    admin.create(_volume(f"v-{namespace}"))
    until(lambda: phases() == ("Bound", "Bound"))
    bound = admin.get(PersistentVolumeClaim, "data", namespace)
    assert bound.spec.volume_name == f"v-{namespace}"
    assert str(bound.status.capacity["storage"]) == "1Gi"
    reference = admin.get(PersistentVolume, f"v-{namespace}").spec.claim_ref
    assert reference is not None
    assert reference.uid == bound.metadata.uid
    admin.delete(PersistentVolumeClaim, "data", namespace)
    until(lambda: admin.get(PersistentVolume, f"v-{namespace}").status.phase == "Released")
