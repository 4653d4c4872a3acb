"""What is known of the daemon as a whole: its version and ways, its images, and the disk that they are on."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from agent.runtime.docker import Docker
from agent.runtime.facts import DaemonFacts, ImageFacts
from agent.runtime.pause import IMAGE_CHANGES, PAUSE_IMAGE, pause_rootfs
from agent.volumes.usage import Room, room_of

log = logging.getLogger(__name__)


class Daemon:
    """Renewed by ``look``; ``facts`` is None until the first one."""

    def __init__(self, docker: Docker, *, data_dir: Path, makes_pause_image: bool) -> None:
        self._docker = docker
        self._data_dir = data_dir
        self._makes_pause_image = makes_pause_image
        self.facts: DaemonFacts | None = None
        self.images: Sequence[ImageFacts] = ()

    def look(self) -> DaemonFacts:
        """Sees also that our own image is there. Raises RuntimeFailure."""
        self.facts = facts = self._docker.facts()
        if self._makes_pause_image and self._docker.image(PAUSE_IMAGE) is None:
            self._docker.import_image(PAUSE_IMAGE, pause_rootfs(facts.architecture), changes=IMAGE_CHANGES)
            log.info("pause image made name=%s", PAUSE_IMAGE)
        self.images = self._docker.images()
        return facts

    def image_disk_percent(self) -> float:
        """In use of the file system that images are kept on; 0 when this agent cannot see it."""
        folder = self.facts.data_dir if self.facts else ""
        try:
            disk = shutil.disk_usage(folder or self._data_dir)
        except OSError as error:
            log.warning("disk of images not seen path=%s error=%s", folder, error)
            return 0.0
        return 100.0 * disk.used / max(disk.used + disk.free, 1)

    def image_disk(self) -> tuple[Room | None, int]:
        """The file system that images are kept on; what they take, in bytes."""
        folder = self.facts.data_dir if self.facts else ""
        return (room_of(folder) if folder else None), sum(image.size_bytes for image in self.images)
