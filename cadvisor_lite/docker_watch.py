"""Keeps the list of running containers equal to Docker's: the event stream first, then one list, then events.

The stream is opened before the list is taken, so nothing that happens between the two is missed. When the daemon goes
away the containers known stay (they may well run on) and the watch comes back with back-off; the list taken then says
what is gone. A container that the daemon cannot tell of, being stuck, is left out and asked for again. The daemon drops
events of a subscriber that falls behind, so the list is looked through again once `_RELIST_S` passed without an event;
nothing else is polled.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from cadvisor_lite.containers import Container, container_from_inspect
from cadvisor_lite.docker_api import DockerApi, DockerError

log = logging.getLogger(__name__)

_FIRST_DELAY_S, _LAST_DELAY_S = 0.25, 10.0
_CALL_TIMEOUT_S = 10.0
# A container that is stuck can keep the daemon from telling of it: the others must not wait for it.
_INSPECT_TIMEOUT_S, _IMPATIENT_S = 2.0, 0.3
_RELIST_S, _RETRY_S = 60.0, 10.0
_STARTED = frozenset({"start", "rename", "update"})
_ENDED = frozenset({"die", "destroy"})
_FILTERS = {"type": ["container"], "event": sorted(_STARTED | _ENDED)}


class ContainerSink(Protocol):
    """Who is told of containers. Called from the watch's thread only."""

    def put(self, container: Container) -> None: ...
    def drop(self, container_id: str) -> None: ...
    def ids(self) -> Iterable[str]: ...


class DockerWatch:
    """One thread that follows one Docker daemon."""

    def __init__(self, docker_host: str, sink: ContainerSink, *, call_timeout_s: float = _CALL_TIMEOUT_S) -> None:
        self._docker_host = docker_host
        self._call_timeout_s = call_timeout_s
        self._sink = sink
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._api: DockerApi | None = None
        self._thread = threading.Thread(target=self._run, name="cadvisor-docker-watch", daemon=True)
        self.connected = threading.Event()
        self._stuck: set[str] = set()
        self._listed_at = 0.0
        self.docker_version = ""
        self.failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        """Ends what is under way and joins the thread."""
        self._stop.set()
        with self._lock:
            if self._api is not None:
                self._api.close()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("docker watch did not end in time timeout_s=%s", timeout_s)

    def _run(self) -> None:
        delay_s, level = _FIRST_DELAY_S, logging.WARNING
        while not self._stop.is_set():
            try:
                self._follow()
                reason = "stream ended"
            except (DockerError, OSError, EOFError, ValueError, KeyError) as error:
                reason = f"{type(error).__name__}: {error}"
            except Exception as error:  # the guard of the thread: a watch that ended would leave a list of the dead
                log.exception("docker watch failed")
                reason = f"{type(error).__name__}: {error}"
            if self._stop.is_set():
                return
            if self.connected.is_set():
                delay_s, level = _FIRST_DELAY_S, logging.WARNING
                self.connected.clear()
            self.failures += 1
            # Said once for each outage; the tries in between would only fill the journal.
            log.log(level, "docker lost docker_host=%s retry_s=%.2f reason=%s", self._docker_host, delay_s, reason)
            level = logging.DEBUG
            self._stop.wait(delay_s)
            delay_s = min(delay_s * 2, _LAST_DELAY_S)

    def _follow(self) -> None:
        """Lists and follows until the stream ends or `stop`. Raises what the daemon's failure raises."""
        api = DockerApi(self._docker_host, self._call_timeout_s)
        with self._lock:
            self._api = api
        try:
            if self._stop.is_set():  # it may have run before there was anything to end
                return
            self.docker_version = str(api.get("/version")["Version"])
            events = api.events(_FILTERS)
            self._list(api, known=())
            self.connected.set()
            log.info("docker followed docker_host=%s version=%s", self._docker_host, self.docker_version)
            while not self._stop.is_set():
                event = events.next(_RETRY_S if self._stuck else _RELIST_S)
                if event is not None:
                    self._handle(api, event)
                if event is None or (self._stuck and time.monotonic() - self._listed_at > _RETRY_S):
                    self._list(api, known=self._sink.ids())
        finally:
            with self._lock:
                self._api = None
            api.release()

    def _list(self, api: DockerApi, *, known: Iterable[str]) -> None:
        """Drops what does not run and looks at all that does, but for those `known`."""
        running = {row["Id"] for row in api.get("/containers/json")}
        for gone in set(self._sink.ids()) - running:
            self._sink.drop(gone)
        for container_id in running.difference(known):
            self._inspect(api, container_id)
        self._stuck &= running
        self._listed_at = time.monotonic()

    def _handle(self, api: DockerApi, event: Mapping[str, Any]) -> None:
        action, container_id = event.get("Action"), event["Actor"]["ID"]
        if action in _ENDED:
            self._sink.drop(container_id)
        elif action in _STARTED:
            self._inspect(api, container_id)

    def _inspect(self, api: DockerApi, container_id: str) -> None:
        """Raises OSError when the daemon does not answer."""
        try:
            # Where one is stuck others may be: nobody waits two seconds for each of them.
            patience_s = _IMPATIENT_S if self._stuck else _INSPECT_TIMEOUT_S
            answer = api.get(f"/containers/{container_id}/json", timeout_s=patience_s)
            self._stuck.discard(container_id)
            container = container_from_inspect(answer)
        except TimeoutError:
            api.get("/version", timeout_s=_INSPECT_TIMEOUT_S)  # it is this container only, or the daemon as a whole
            if container_id not in self._stuck:
                log.warning("inspect hangs, tried again later container=%s", container_id)
            self._stuck.add(container_id)
            return
        except DockerError as error:
            if error.status != 404:
                log.warning("inspect failed container=%s error=%r", container_id, error)
                return
            container = None
        except (KeyError, TypeError, ValueError) as error:
            # A container that the daemon cannot describe must not cost the others their figures.
            log.warning("inspect failed container=%s error=%r", container_id, error)
            return
        if container is None:
            self._sink.drop(container_id)
        else:
            self._sink.put(container)
