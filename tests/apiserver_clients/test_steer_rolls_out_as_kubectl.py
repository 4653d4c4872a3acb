"""`steer rollout` of all kinds: the same output and exit code as kubectl's, also for what has no rollout."""

import json

from both import Both

_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "x", "image": "x:1"}]}}
_SELECTOR = {"matchLabels": {"a": "b"}}
_OBJECTS = (
    ("v1", "ReplicationController", "rc", {"selector": {"a": "b"}, "template": _TEMPLATE}),
    ("apps/v1", "ReplicaSet", "rs", {"selector": _SELECTOR, "template": _TEMPLATE}),
    ("apps/v1", "DaemonSet", "ds", {"selector": _SELECTOR, "template": _TEMPLATE}),
    (
        "apps/v1", "DaemonSet", "by-hand",
        {"selector": _SELECTOR, "template": _TEMPLATE, "updateStrategy": {"type": "OnDelete"}},
    ),
    (
        "apps/v1", "StatefulSet", "sts",
        {"serviceName": "s", "replicas": 3, "selector": _SELECTOR, "template": _TEMPLATE},
    ),
    ("v1", "ConfigMap", "cm", None),
)  # fmt: skip
_ITEMS = [
    {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **({"spec": spec} if spec else {})}
    for version, kind, name, spec in _OBJECTS
]
_WHICH = ("rc/rc", "rs/rs", "ds/ds", "ds/by-hand", "sts/sts", "cm/cm")
_DAEMONS = (
    {"observedGeneration": 9, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1},
    {"updatedNumberScheduled": 3, "numberAvailable": 1},
    {"numberAvailable": 3},
)
_NUMBERS = {"currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 0}
_STATES = (
    {"observedGeneration": 9, "replicas": 3, "readyReplicas": 1},
    {"readyReplicas": 3, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
    {"updatedReplicas": 3, "currentReplicas": 3, "currentRevision": "b"},
)


def _told(which: str, name: str, status: dict[str, object]) -> tuple[str, str]:
    said = json.dumps({"status": status})
    return (
        f"patch {which} {name} --subresource=status --type=merge -p '{said}'",
        f"rollout status {which}/{name} --watch=false",
    )


_LINES = [
    *(
        f"rollout {verb} {which}"
        for which in _WHICH
        for verb in ("history", "pause", "resume", "undo", "status --watch=false")
    ),
    *(f"rollout restart {which}" for which in _WHICH),
    *(line for status in _DAEMONS for line in _told("ds", "ds", _NUMBERS | status)),
    *(line for status in _STATES for line in _told("sts", "sts", status)),
    """patch sts sts --type=merge -p '{"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}'""",
    "rollout status sts/sts --watch=false",
    *_told("sts", "sts", {"updatedReplicas": 0}),
    "rollout status sts/sts --timeout=1s",
]


def test_rollouts_of_all_kinds_are_told_as_kubectl_tells_them(loosely: Both) -> None:
    loosely.create(json.dumps({"apiVersion": "v1", "kind": "List", "items": _ITEMS}))
    loosely.same(_LINES)
