"""Small pods of the tests: a busybox that does what a test says."""

from __future__ import annotations

from typing import Any

from tests.e2e.doors import Object
from tests.e2e.guestbook import TEST_IMAGE

SLEEP = ("sleep", "3600")
# With a limit, but not wget's own: the one of Debian's busybox crashes on -T.
FETCH = "busybox timeout 5 busybox wget -q"


def pod(name: str, *command: str, labels: dict[str, str] | None = None, **more: Any) -> Object:
    """A pod with one container `main`. `more` goes to the container, but for restartPolicy, volumes and hostname.

    It is given one second to end: a shell that is process 1 does not hear SIGTERM.
    """
    spec: Object = {"terminationGracePeriodSeconds": 1}
    for key in ("restartPolicy", "volumes", "terminationGracePeriodSeconds"):
        if key in more:
            spec[key] = more.pop(key)
    container = {"name": "main", "image": TEST_IMAGE, "imagePullPolicy": "IfNotPresent"}
    spec["containers"] = [container | {"command": list(command or SLEEP)} | more]
    metadata = {"name": name, "labels": labels or {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def controller(name: str, replicas: int, template: Object | None = None) -> Object:
    """A replication controller of such pods."""
    made = template or pod(name)
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"app": name},
            "template": {"metadata": {"labels": {"app": name}}, "spec": made["spec"]},
        },
    }


def service(name: str, port: int, **more: Any) -> Object:
    """A service for the pods labelled app=NAME."""
    spec = {"selector": {"app": name}, "ports": [{"port": port}]} | more
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def shell(script: str) -> tuple[str, str, str]:
    """A command that runs a script."""
    return ("sh", "-c", script)
