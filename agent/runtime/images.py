"""Images for containers: there already, pulled in the background, or not to be had, with a back-off.

A pull never holds up a worker: ``ensure`` answers at once, and the pod is worked on again when the pull has ended or an
image has appeared on the host.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.jobs import Jobs
from agent.runtime.docker import Docker
from agent.runtime.facts import ImageFacts
from agent.runtime.failures import RuntimeFailure
from agent.runtime.progress import Progress

log = logging.getLogger(__name__)

Credentials = Callable[[], Mapping[str, str] | None]

_REFERENCE = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?"
)


@dataclass(frozen=True, slots=True)
class ImageHere:
    """The image can be used. ``pulled_s``: how long the pull took; None when it was here already."""

    facts: ImageFacts
    pulled_s: float | None = None


@dataclass(frozen=True, slots=True)
class ImagePending:
    """A pull is under way; ``began``: this call has begun it."""

    began: bool = False


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A waiting reason of Kubernetes, its message, and when to try again. ``fresh``: not told before."""

    reason: str
    message: str
    retry_at: datetime
    fresh: bool = False


@dataclass(slots=True)
class _Pull:
    """What is known of the pulls of one image. ``used``: it was found here before the pull had told its end."""

    running: bool = False
    began_s: float = 0.0  # monotonic
    used: bool = False
    failures: int = 0
    error: str = ""
    told: bool = False
    retry_s: float | None = None  # monotonic
    pulled_s: float | None = None


class Images:
    """Thread-safe. Both are called in a pull's thread: ``on_done(image)`` when it has ended, either way, and
    ``on_progress(image, phrase)`` now and then before.
    """

    def __init__(
        self,
        docker: Docker,
        jobs: Jobs,
        *,
        base_s: float,
        cap_s: float,
        on_done: Callable[[str], None],
        on_progress: Callable[[str, str], None],
    ) -> None:
        self._docker = docker
        self._jobs = jobs
        self._base_s = base_s
        self._cap_s = cap_s
        self._on_done = on_done
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}

    def ensure(
        self, image: str, policy: str, now: datetime, *, credentials: Credentials = lambda: None
    ) -> ImageHere | ImagePending | ImageFailed:
        """Whether the image can be used now. Raises RuntimeFailure when Docker does not answer.

        ``credentials`` is asked only when a pull begins.
        """
        if not _REFERENCE.fullmatch(image):
            message = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}"'
            return ImageFailed("InvalidImageName", message, now + timedelta(seconds=self._cap_s), fresh=True)
        policy = policy or default_policy(image)
        facts = self._docker.image(image) if policy != "Always" or self._just_pulled(image) else None
        if facts is not None:
            return ImageHere(facts, self._pulled_s(image))
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            return ImageFailed("ErrImageNeverPull", message, now + timedelta(seconds=self._base_s), fresh=True)
        return self._pull(image, now, credentials)

    def _pulled_s(self, image: str) -> float | None:
        """How long the pull took by which the image came, told once; None for one that was here before."""
        with self._lock:
            pull = self._pulls.get(image)
            if pull is not None and pull.running:
                pull.used = True
                return time.monotonic() - pull.began_s
            self._pulls.pop(image, None)
            return pull.pulled_s if pull is not None else None

    def _just_pulled(self, image: str) -> bool:
        with self._lock:
            pull = self._pulls.get(image)
            return pull is not None and pull.pulled_s is not None

    def _pull(self, image: str, now: datetime, credentials: Credentials) -> ImagePending | ImageFailed:
        with self._lock:
            pull = self._pulls.setdefault(image, _Pull())
            if pull.running:
                return ImagePending()
            if pull.retry_s is not None and not pull.told:
                pull.told = True
                return ImageFailed("ErrImagePull", pull.error, now + timedelta(seconds=0.5), fresh=True)
            left_s = (pull.retry_s or 0.0) - time.monotonic()
            if pull.retry_s is not None and left_s > 0:
                message = f'Back-off pulling image "{image}"'
                return ImageFailed("ImagePullBackOff", message, now + timedelta(seconds=left_s))
            pull.running, pull.began_s, pull.used = True, time.monotonic(), False
        known = credentials()
        if not self._jobs.submit(("pull", image), lambda: self._run(image, known)):
            pull.running = False
            return ImageFailed("ErrImagePull", "too many pulls are waiting", now + timedelta(seconds=self._base_s))
        return ImagePending(began=True)

    def _run(self, image: str, credentials: Mapping[str, str] | None) -> None:
        began = time.monotonic()
        error = ""
        progress = Progress(lambda phrase: self._on_progress(image, phrase), time.monotonic)
        try:
            self._docker.pull(image, credentials, told=progress.note)
        except RuntimeFailure as failure:
            error = str(failure)
            log.warning("pull failed image=%s error=%s", image, error)
        ended = time.monotonic()
        with self._lock:
            pull = self._pulls.setdefault(image, _Pull())
            pull.running = False
            if error:
                delay_s = min(self._base_s * 2.0 ** min(pull.failures, 30), self._cap_s)
                pull.failures += 1
                pull.error, pull.told, pull.pulled_s = error, False, None
                pull.retry_s = ended + delay_s
            elif pull.used:
                del self._pulls[image]
            else:
                pull.pulled_s = ended - began
        self._on_done(image)


def default_policy(image: str) -> str:
    """Always for ``latest`` and for no tag, as the API server has it; IfNotPresent otherwise."""
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    tag = name.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"
