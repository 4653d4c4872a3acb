"""The word that a pod is about to go, of pods that did not."""

from datetime import timedelta
from typing import Any

import pytest

from api.codec import convert
from api.core import Pod, PodCondition
from client import Client
from master.controllers.stale_disruptions import STALE_AFTER, stale_in_s
from tests.controllers.made import NOW, pod, stamp
from tests.e2e.waiting import until


def told(age_s: float, *, status: str = "True", reason: str = "EvictionByEvictionAPI", **more: Any) -> Pod:
    made = pod(**more)
    condition = {"type": "DisruptionTarget", "status": status, "reason": reason, "lastTransitionTime": stamp(age_s)}
    made.status.conditions = [convert(condition, PodCondition)]
    return made


@pytest.mark.parametrize(
    ("one", "left_s"),
    [
        (told(30), 90),
        (told(300), -180),
        (told(300, reason="PreemptionByScheduler"), -180),
        (told(300, reason="TerminationByKubelet"), None),
        (told(300, status="False"), None),
        (told(300, phase="Failed"), None),
        (told(300, going=True), None),
        (pod(), None),
    ],
)
def test_it_is_stale_after_two_minutes_unless_it_holds(one: Pod, left_s: float | None) -> None:
    assert stale_in_s(one, NOW) == (None if left_s is None else pytest.approx(left_s))
    assert timedelta(minutes=2) == STALE_AFTER


def test_a_pod_that_stayed_is_no_target_any_more(admin: Client, namespace: str, controllers: Any) -> None:
    controllers()
    for name, reason, year in (("old", "EvictionByEvictionAPI", 2020), ("agent", "TerminationByKubelet", 2020),
                               ("new", "EvictionByEvictionAPI", 2220)):  # fmt: skip
        one = pod(name)
        one.metadata.namespace = namespace
        admin.create(one)
        since = f"{year}-01-01T00:00:00Z"
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
        status = {"phase": "Running", "conditions": [condition | {"lastTransitionTime": since}, ready]}
        admin.patch(Pod, name, namespace, {"status": status}, subresource="status")

    def conditions(name: str) -> dict[str, tuple[str, str, str]]:
        found = admin.get(Pod, name, namespace).status.conditions
        return {one.type: (one.status, one.reason, one.message) for one in found}

    kept = {"Ready": ("True", "", "")}
    until(lambda: conditions("old") == kept | {"DisruptionTarget": ("False", "EvictionByEvictionAPI", "m")})
    assert conditions("new") == kept | {"DisruptionTarget": ("True", "EvictionByEvictionAPI", "m")}
    assert conditions("agent") == kept | {"DisruptionTarget": ("True", "TerminationByKubelet", "m")}
    (changed,) = [one for one in admin.get(Pod, "old", namespace).status.conditions if one.type == "DisruptionTarget"]
    assert changed.last_transition_time is not None
    assert changed.last_transition_time.year >= 2026
