"""The services as they were known last, also after a restart of the agent while the master is away.

They become environment variables of containers; a container must be able to start again without the master.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.codec import decode, encode
from api.core import Service
from client import Informer
from client.files import write_atomically

log = logging.getLogger(__name__)


class KnownServices:
    """Thread-safe. ``save`` is called now and then, and writes only what has changed."""

    def __init__(self, path: Path, informer: Informer[Service]) -> None:
        self._path = path
        self._informer = informer
        self._lock = threading.Lock()
        self._loaded: list[Service] | None = None
        self._saved = b""
        self._changed = True
        informer.add_listener(lambda _old, _new: self._note())

    def load(self) -> None:
        """Takes in what an earlier agent wrote."""
        try:
            self._loaded = decode(self._path.read_bytes(), list[Service])
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("stored services ignored path=%s error=%s", self._path, error)

    def items(self) -> Sequence[Service] | None:
        """None: they have never been known."""
        return self._informer.items() if self._informer.synced else self._loaded

    def _note(self) -> None:
        self._changed = True

    def save(self) -> None:
        if not self._informer.synced or not self._changed:
            return
        with self._lock:
            self._changed = False
            content = encode(sorted(self._informer.items(), key=lambda s: (s.metadata.namespace, s.metadata.name)))
            if content == self._saved:
                return
            try:
                write_atomically(self._path, content, durable=False)
            except OSError as error:
                self._changed = True
                log.warning("services not stored path=%s error=%s", self._path, error)
                return
            self._saved = content
