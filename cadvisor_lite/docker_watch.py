"""Keeps the list of running containers equal to Docker's: the event stream first, then one list, then events.

The stream is opened before the list is taken, so nothing that happens between the two is missed. When the daemon goes
away the containers known stay (they may well run on) and the watch comes back with back-off; the list taken then says
what is gone. Nothing is polled while the stream stands.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import requests
from docker.api import APIClient
from docker.errors import APIError, DockerException, NotFound

from cadvisor_lite.containers import Container, container_from_inspect

log = logging.getLogger(__name__)

_FIRST_DELAY_S, _LAST_DELAY_S = 0.25, 10.0
_CALL_TIMEOUT_S = 10
_STARTED = frozenset({"start", "rename", "update"})
_ENDED = frozenset({"die", "destroy"})


class ContainerSink(Protocol):
    """Who is told of containers. Called from the watch's thread only."""

    def put(self, container: Container) -> None: ...
    def drop(self, container_id: str) -> None: ...
    def ids(self) -> Iterable[str]: ...


class DockerWatch:
    """One thread that follows one Docker daemon."""

    def __init__(self, docker_host: str, sink: ContainerSink) -> None:
        self._docker_host = docker_host
        self._sink = sink
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._end_stream: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="cadvisor-docker-watch", daemon=True)
        self.connected = threading.Event()
        self.docker_version = ""
        self.failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = _CALL_TIMEOUT_S + 2) -> None:
        """Ends the stream and joins the thread."""
        self._stop.set()
        with self._lock:
            if self._end_stream is not None:
                self._end_stream()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("docker watch did not end in time timeout_s=%s", timeout_s)

    def _run(self) -> None:
        delay_s, level = _FIRST_DELAY_S, logging.WARNING
        while not self._stop.is_set():
            try:
                self._follow()
                reason = "stream ended"
            except (DockerException, requests.RequestException, OSError, ValueError, KeyError) as error:
                reason = f"{type(error).__name__}: {error}"
            except Exception as error:  # the guard of the thread: a watch that ended would leave a list of the dead
                # A stream closed under its reader fails in many of the libraries' own ways; only others are news.
                if not self._stop.is_set():
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
        """Lists and follows until the stream ends. Raises what the daemon's failure raises."""
        client = APIClient(base_url=self._docker_host, timeout=_CALL_TIMEOUT_S, version="auto")
        try:
            self.docker_version = client.version()["Version"]
            events = client.events(decode=True, filters={"type": "container", "event": sorted(_STARTED | _ENDED)})
            with self._lock:
                self._end_stream = events.close
            try:
                # stop() may have run before there was a stream to end.
                if self._stop.is_set():
                    return
                self._list(client)
                self.connected.set()
                log.info("docker followed docker_host=%s version=%s", self._docker_host, self.docker_version)
                for event in events:
                    self._handle(client, event)
            finally:
                with self._lock:
                    self._end_stream = None
                    events.close()
        finally:
            client.close()

    def _list(self, client: APIClient) -> None:
        running = {row["Id"] for row in client.containers()}
        for gone in set(self._sink.ids()) - running:
            self._sink.drop(gone)
        for container_id in running:
            self._inspect(client, container_id)

    def _handle(self, client: APIClient, event: Mapping[str, Any]) -> None:
        action, container_id = event.get("Action"), event["Actor"]["ID"]
        if action in _ENDED:
            self._sink.drop(container_id)
        elif action in _STARTED:
            self._inspect(client, container_id)

    def _inspect(self, client: APIClient, container_id: str) -> None:
        try:
            container = container_from_inspect(client.inspect_container(container_id))
        except NotFound:
            container = None
        except (APIError, KeyError, TypeError, ValueError) as error:
            # A container that the daemon cannot describe must not cost the others their figures.
            log.warning("inspect failed container=%s error=%r", container_id, error)
            return
        if container is None:
            self._sink.drop(container_id)
        else:
            self._sink.put(container)
