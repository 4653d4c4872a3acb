"""Removes images that nobody uses when the disk gets full: from the high mark down to the low one, oldest use first.

The rules: an image that any container on this Docker has, running or not, ours or not, stays; so does one that a pod of
this node wants, the pause image, and one that has only just come. What was freed is measured on the disk after each
removal, since layers are shared. Docker itself refuses to remove an image in use: nothing is ever forced.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agent.runtime.docker import Docker
from agent.runtime.facts import ImageFacts
from agent.runtime.failures import RuntimeRefusal

log = logging.getLogger(__name__)

MIN_AGE_S = 120.0


@dataclass(frozen=True, slots=True)
class Marks:
    """Percent of the disk in use at which collection begins and ends; a high mark of 100 is never reached."""

    high_percent: float
    low_percent: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a collection. ``reached``: whether the disk is below the low mark now."""

    removed: tuple[str, ...] = ()
    used_percent: float = 0.0
    reached: bool = True


def removable(
    images: Sequence[ImageFacts],
    *,
    in_use: Collection[str],
    wanted: Collection[str],
    last_used: Mapping[str, float],
    now: float,
) -> list[ImageFacts]:
    """Images that may go, the longest unused first. Pure.

    in_use: ids. wanted: names. last_used: id to the time at which it was seen in use, or seen at all, last.
    """
    free = [image for image in images if image.id not in in_use and not set(map(_full, image.names)) & set(wanted)]
    old = [image for image in free if now - last_used.get(image.id, now) >= MIN_AGE_S]
    return sorted(old, key=lambda image: (last_used[image.id], image.id))


def _full(name: str) -> str:
    """With its tag: docker says redis:latest where a pod says redis."""
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


@dataclass(slots=True)
class _Uses:
    """When each image was seen in use last, by id; the first look counts as use."""

    last: dict[str, float] = field(default_factory=dict)

    def note(self, images: Sequence[ImageFacts], in_use: Collection[str], now: float) -> None:
        present = {image.id for image in images}
        self.last = {key: when for key, when in self.last.items() if key in present}
        for image in images:
            if image.id in in_use or image.id not in self.last:
                self.last[image.id] = now


class ImageCollector:
    """One collection at a time; called by the thread that looks after pressure."""

    def __init__(
        self,
        docker: Docker,
        marks: Marks,
        *,
        used_percent: Callable[[], float],
        wanted: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._docker = docker
        self._marks = marks
        self._used_percent = used_percent
        self._wanted = wanted
        self._clock = clock
        self._uses = _Uses()
        self._lock = threading.Lock()

    def look(self, *, force: bool = False) -> Collected | None:
        """None below the high mark, unless ``force`` (the disk is under pressure). Raises RuntimeFailure."""
        with self._lock:
            images, in_use, now = self._docker.stored_images(), self._docker.images_in_use(), self._clock()
            self._uses.note(images, in_use, now)
            used = self._used_percent()
            if self._marks.high_percent >= 100 or (used < self._marks.high_percent and not force):
                return None
            wanted = {_full(name) for name in self._wanted()}
            found = removable(images, in_use=in_use, wanted=wanted, last_used=self._uses.last, now=now)
            return self._collect(found, used)

    def _collect(self, images: Sequence[ImageFacts], used: float) -> Collected:
        removed = []
        before = used
        for image in images:
            if used <= self._marks.low_percent:
                break
            if self._remove(image):
                removed.append(image.names[0] if image.names else image.id)
            used = self._used_percent()
        reached = used <= self._marks.low_percent
        log.info(
            "images collected removed=%d candidates=%d used_percent=%.1f before=%.1f low_mark=%.1f",
            len(removed), len(images), used, before, self._marks.low_percent,
        )  # fmt: skip
        return Collected(tuple(removed), used, reached)

    def _remove(self, image: ImageFacts) -> bool:
        """Name by name, so that none is forced; one that somebody has begun to use meanwhile stays."""
        try:
            for name in image.names or (image.id,):
                self._docker.remove_image(name)
        except RuntimeRefusal as error:
            log.info("image stays name=%s error=%s", image.names[0] if image.names else image.id, error)
            return False
        log.info("image removed name=%s size_bytes=%d", image.names[0] if image.names else image.id, image.size_bytes)
        return True
