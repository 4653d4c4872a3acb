"""Schedulers at work, and what the API server says of their pods."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.core import Event, Node, Pod
from client import Client
from master.scheduler.config import Config
from master.scheduler.main import run
from tests.controllers.live import Master


@contextmanager
def scheduler(
    master: Master, *, leader_elect: bool = True, name: str = "default-scheduler", **settings: Any
) -> Iterator[None]:
    """One in a thread of its own, as its command runs it."""
    stop = threading.Event()
    config = Config(
        kubeconfig=master.kubeconfig("scheduler"), leader_elect=leader_elect, scheduler_name=name, **settings
    )
    thread = threading.Thread(target=run, args=(config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def join(admin: Client, made: Node) -> Node:
    """As a node's agent does: the object, then its status; and as the node controller does with one that is ready."""
    status, taints = made.status, made.spec.taints
    created = admin.create(made)
    created = admin.patch(Node, created.metadata.name, "", {"spec": {"taints": taints}}, form="merge")
    created.status = status
    return admin.update_status(created)


def node_of(admin: Client, name: str) -> str:
    return admin.get(Pod, name, "default").spec.node_name


def why(admin: Client, name: str) -> str:
    conditions = admin.get(Pod, name, "default").status.conditions
    return next((item.message for item in conditions if item.type == "PodScheduled" and item.status == "False"), "")


def reasons(admin: Client, name: str, uid: str = "") -> list[str]:
    """Of events of the pod of this name, or of one that may be gone; those of an earlier one are still there."""
    uid = uid or admin.get(Pod, name, "default").metadata.uid
    return sorted(event.reason for event in admin.list(Event, fields=f"involvedObject.uid={uid}").items)


def empty(admin: Client) -> None:
    """No pods, no nodes."""
    for one in admin.list(Pod).items:
        admin.delete(Pod, one.metadata.name, one.metadata.namespace, grace_s=0)
    for each in admin.list(Node).items:
        admin.delete(Node, each.metadata.name)
