"""Services and endpoints from a file: a plain balancer, without a master.

The file holds Service, EndpointSlice and Endpoints objects as YAML documents or as a JSON or YAML List. It is read
again when it changes. One that cannot be used at the start is an error; later the last good one goes on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from api import defaulting
from api.codec import convert
from api.core import Endpoints, Service
from api.discovery import EndpointSlice
from api.meta import Object
from netproxy.changes import Changes
from netproxy.endpoints import Here
from netproxy.notices import Notices
from netproxy.sources import Key, service_of
from netproxy.translate import Objects

log = logging.getLogger(__name__)

PAUSE_S = 0.2
"""After a notice: more may follow at once, and others may be busy in the same folder."""
JOIN_S = 5.0
_KINDS: dict[str, type[Object]] = {"Service": Service, "EndpointSlice": EndpointSlice, "Endpoints": Endpoints}


class FileError(Exception):
    """The file cannot be used."""


class FileSource:
    """The objects of a file, followed by a thread."""

    def __init__(self, path: Path, here: Here, changes: Changes) -> None:
        self._path = path
        self._here = here
        self._changes = changes
        self._seen = _mark(path)
        self._objects = read_objects(path, here)
        self._fresh = threading.Event()
        self._fresh.set()
        self._closing = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._follow, name="netproxy-file", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._closing.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        if not self._thread.is_alive():
            os.close(self._wake)

    def synced(self) -> bool:
        """The file was read when this was made."""
        return True

    def changed(self) -> set[Key] | None:
        """All of them when the file was read since the last call, else none."""
        if not self._fresh.is_set():
            return set()
        self._fresh.clear()
        return None

    def read(self, only: set[Key] | None = None) -> Objects:
        """What the last good file says."""
        held = self._objects
        if only is None:
            return held
        return Objects(
            services=[one for one in held.services if (one.metadata.namespace, one.metadata.name) in only],
            slices=[one for one in held.slices if service_of(one) in only],
            endpoints=[one for one in held.endpoints if (one.metadata.namespace, one.metadata.name) in only],
            here=held.here,
        )

    def service(self, namespace: str, name: str) -> Service | None:
        """One service of the file."""
        key = (namespace, name)
        return next((s for s in self._objects.services if (s.metadata.namespace, s.metadata.name) == key), None)

    def _follow(self) -> None:
        while not self._closing.is_set():
            with Notices(self._path) as notices:
                mark = _mark(self._path)
                if mark == self._seen:
                    notices.wait(self._wake)
                    self._closing.wait(PAUSE_S)
                    continue
            self._seen = mark
            self._read_again()

    def _read_again(self) -> None:
        try:
            self._objects = read_objects(self._path, self._here)
        except FileError as error:
            log.error("file not usable, the last good one goes on error=%s", error)
            return
        self._fresh.set()
        log.info("file read again file=%s services=%d", self._path, len(self._objects.services))
        self._changes.other()


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Differs whenever the file was written or replaced; None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 (also follows a link that was led elsewhere)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_objects(path: Path, here: Here) -> Objects:
    """The objects of a file, completed as a server would. Raises FileError."""
    try:
        documents = _documents(path.read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileError(f"{path}: {error}") from error
    found: dict[type[Object], list[Any]] = {kind: [] for kind in _KINDS.values()}
    for number, document in enumerate(_items(documents), 1):
        item = _object(document, f"{path}: object {number}")
        found[type(item)].append(item)
    return Objects(services=found[Service], slices=found[EndpointSlice], endpoints=found[Endpoints], here=here)


def _documents(data: bytes) -> list[Any]:
    """Connections wait while this runs, so by parsers in C. Raises UnicodeDecodeError, yaml.YAMLError."""
    try:
        return [msgspec.json.decode(data)]
    except msgspec.DecodeError:  # no JSON: YAML
        return list(yaml.load_all(data.decode("utf-8"), Loader=yaml.CSafeLoader))


def _items(documents: list[Any]) -> Iterator[Any]:
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "List":
            yield from document.get("items") or ()
        elif document is not None:
            yield document


def _object(document: Any, where: str) -> Object:
    name = document.get("kind") if isinstance(document, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FileError(f"{where}: kind {name!r} is none of {', '.join(_KINDS)}")
    try:
        item = convert(document, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{where}: {error}") from error
    defaulting.apply(item)
    if not item.metadata.name:
        raise FileError(f"{where}: it has no metadata.name")
    item.metadata.namespace = item.metadata.namespace or "default"
    return item
