"""The file systems of /stats/summary: of the node, of images, and what pods have on them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent.pods.disk import PodDisk
from agent.volumes.usage import Room, Used


def stamp(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """Where it is read. node: what pods write to; images: also what they take in bytes; pods: by uid."""

    node: Callable[[], Room | None]
    images: Callable[[], tuple[Room | None, int]]
    pods: Callable[[], Mapping[str, PodDisk]]

    def of_node(self) -> dict[str, Any]:
        now, node = time.time(), self.node()
        images, image_bytes = self.images()
        found: dict[str, Any] = {}
        if node is not None:
            found["fs"] = _fs(node, node.used, now)
        if images is not None:
            found["runtime"] = {"imageFs": _fs(images, Used(image_bytes), now)}
        return found

    def add_to(self, pods: list[dict[str, Any]]) -> None:
        """A pod that has not been measured yet tells nothing of its disk."""
        measured = self.pods()
        node, (images, _) = self.node(), self.images()
        for document in pods:
            disk = measured.get(document["podRef"]["uid"])
            if disk is not None:
                _add(document, disk, node, images or node)


def _add(document: dict[str, Any], disk: PodDisk, node: Room | None, images: Room | None) -> None:
    at = disk.time_s
    for container in document["containers"]:
        parts = disk.containers.get(container["name"])
        if parts is not None:
            container["rootfs"] = _fs(images, parts.layer, at)
            container["logs"] = _fs(images, parts.logs, at)
    document["volume"] = [{"name": name, **_fs(one.room, one.used, at)} for name, one in sorted(disk.volumes.items())]
    document["ephemeral-storage"] = _fs(node, disk.local, at)


def _fs(room: Room | None, used: Used, time_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {"time": stamp(time_s), "usedBytes": used.bytes}
    if used.inodes:
        found["inodesUsed"] = used.inodes
    if room is not None:
        found |= {
            "availableBytes": room.available_bytes, "capacityBytes": room.capacity_bytes,
            "inodes": room.inodes, "inodesFree": room.inodes_free,
        }  # fmt: skip
    return found
