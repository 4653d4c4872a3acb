"""The edge to the Docker daemon: each call one method, with a time limit, raising RuntimeFailure.

Only containers with our cluster label are ever listed. Nothing is decided here: what to create is a dict that other
modules build, what to do next is the plan's business.
"""

import json
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from docker.api import APIClient
from docker.types import IPAMConfig, IPAMPool

from agent.instruments import Instruments
from agent.runtime.facts import DaemonFacts, ImageFacts, daemon_facts, image_from_inspect, image_from_row, state_of
from agent.runtime.failures import RuntimeRefusal, RuntimeUnreachable, docker_errors
from agent.runtime.hijack import hijack
from agent.runtime.plain_http import call
from agent.runtime.records import CLUSTER, ContainerRecord, record_from_inspect

log = logging.getLogger(__name__)

# The last three are Podman's: it tells of an end before it knows it, and again when it has cleaned up.
_CONTAINER_EVENTS = (
    "create",
    "start",
    "die",
    "oom",
    "pause",
    "unpause",
    "rename",
    "destroy",
    "died",
    "cleanup",
    "remove",
)
_NOT_RUNNING = ("is not running", "can only kill running containers")
_IMAGE_EVENTS = ("pull", "tag", "load", "import")
_PULL_SILENCE_S = 300.0
# Docker ends a terminal's stream at ctrl-p ctrl-q by default, and so swallows each ctrl-p. Nobody types this.
_NO_DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-],ctrl-_,ctrl-@,ctrl-^,ctrl-],ctrl-_"
# What Docker answers from memory, or after one system call: if it takes longer, the container hangs.
_SHORT_S = 5.0


class Events:
    """Docker's event stream; iterate over it. ``close`` may be called from another thread."""

    def __init__(self, stream: Any, client: APIClient) -> None:
        self._stream = stream
        self._client = client

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with docker_errors():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()
        self._client.close()


class Docker:
    """Calls to one daemon on behalf of one cluster. Safe to share between threads."""

    def __init__(
        self, docker_host: str, *, cluster: str, timeout_s: float, instruments: Instruments | None = None
    ) -> None:
        self._host = docker_host
        self.cluster = cluster
        self._timeout_s = timeout_s
        self._instruments = instruments
        self._shared: APIClient | None = None

    @property
    def _client(self) -> APIClient:
        """Made at the first call, since it asks the daemon for its version, and the daemon may come later."""
        if self._shared is None:
            self._shared = self._new_client(self._timeout_s)
        return self._shared

    def _new_client(self, timeout_s: float) -> APIClient:
        """Raises RuntimeUnreachable: it asks the daemon for its version.

        docker-py's stubs say that the limit is an int; requests, to which it is handed, takes fractions.
        """
        with docker_errors():
            client = APIClient(base_url=self._host, version="auto", timeout=timeout_s, max_pool_size=32)  # type: ignore[arg-type]
        client.hooks["response"] = [self._measure]
        return client

    def _measure(self, response: requests.Response, *_: object, **__: object) -> None:
        path, took_s = urlsplit(response.request.url or "").path, response.elapsed.total_seconds()
        self._count(response.request.method or "", str(path), response.status_code, took_s)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """A call that must be quick."""
        timeout_s = min(self._timeout_s, _SHORT_S)
        try:
            return call(self._host, method, path, body, timeout_s=timeout_s, answered=self._count)
        except TimeoutError as error:
            raise RuntimeUnreachable(f"no answer within {timeout_s:g} s: {method} {path}") from error

    def _count(self, method: str, path: str, status: int, took_s: float) -> None:
        if self._instruments is not None:
            self._instruments.docker_answered(method, path, status=status, took_s=took_s)

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()

    def facts(self) -> DaemonFacts:
        with docker_errors():
            return daemon_facts(self._client.version(), self._client.info())

    def ping(self) -> None:
        with docker_errors():
            self._client.ping()

    # Containers.

    def states(self) -> dict[str, str]:
        """Id and state ("running", "exited", ...) of all our containers, from one call."""
        with docker_errors():
            rows = self._client.containers(all=True, filters={"label": f"{CLUSTER}={self.cluster}"})
        return {row["Id"]: state_of(row) for row in rows}

    def inspect(self, container_id: str) -> ContainerRecord | None:
        """None when it is gone, or is not ours."""
        try:
            with docker_errors():
                document = self._ask("GET", f"/containers/{container_id}/json")
        except RuntimeRefusal as error:
            if error.missing:
                return None
            raise
        record = record_from_inspect(document)
        ours = record is not None and document["Config"]["Labels"].get(CLUSTER) == self.cluster
        return record if ours else None

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        """The id of a new container. A leftover of the same name that never ran (a killed start) is replaced."""
        try:
            return self._create(name, config)
        except RuntimeRefusal as error:
            if not error.conflict or not self._remove_leftover(name):
                raise
        return self._create(name, config)

    def _create(self, name: str, config: Mapping[str, Any]) -> str:
        with docker_errors():
            identity: str = self._client.create_container_from_config(dict(config), name)["Id"]  # type: ignore[no-untyped-call]
            return identity

    def _remove_leftover(self, name: str) -> bool:
        record = self.inspect(name)
        if record is None or record.running:
            return False
        log.warning("replacing a leftover container name=%s id=%.12s state=%s", name, record.id, record.state.value)
        self.remove(record.id)
        return True

    def start(self, container_id: str) -> None:
        with docker_errors():
            self._client.start(container_id)

    def kill(self, container_id: str, signal: str) -> None:
        """Sends a signal. One that has ended or is gone already is none the worse."""
        try:
            with docker_errors():
                self._ask("POST", f"/containers/{container_id}/kill?signal={signal}")
        except RuntimeRefusal as error:
            if not (error.missing or error.conflict or any(words in str(error) for words in _NOT_RUNNING)):
                raise

    def remove(self, container_id: str) -> None:
        """Kills it if it runs, and removes it with its anonymous volumes. One that is gone already is no error."""
        try:
            with docker_errors():
                self._client.remove_container(container_id, v=True, force=True)
        except RuntimeRefusal as error:
            # 409: another caller is removing it just now.
            if not (error.missing or (error.conflict and "in progress" in str(error))):
                raise

    # Processes inside a container.

    def exec_create(self, container_id: str, command: list[str]) -> str:
        wanted = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
        with docker_errors():
            identity: str = self._ask("POST", f"/containers/{container_id}/exec", wanted)["Id"]
            return identity

    def exec_run(self, exec_id: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        """Starts an exec and returns what it wrote, cut at a limit. Raises TimeoutError when it does not end in time.

        On a connection of its own: its time limit is that of the command, not that of a call.
        """
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        with docker_errors(), hijack(self._host, f"/exec/{exec_id}/start", body, timeout_s=timeout_s) as stream:
            return stream.read_frames(limit_bytes=limit_bytes, timeout_s=timeout_s)

    def exec_result(self, exec_id: str) -> tuple[int | None, int]:
        """Exit code (None while it runs) and the process id on the host."""
        with docker_errors():
            answer = self._ask("GET", f"/exec/{exec_id}/json")
        return (None if answer.get("Running") else answer.get("ExitCode")), answer.get("Pid") or 0

    def open_exec(
        self, container_id: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """An exec whose streams somebody will use."""
        with docker_errors():
            identity: str = self._client.exec_create(
                container_id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty, detach_keys=_NO_DETACH_KEYS
            )["Id"]
            return identity

    def exec_streams(self, exec_id: str, *, tty: bool) -> tuple[socket.socket, bytes]:
        """Starts an exec; its streams as a socket of the caller's, and what came on it already."""
        body = json.dumps({"Detach": False, "Tty": tty}).encode()
        with docker_errors():
            return hijack(self._host, f"/exec/{exec_id}/start", body, timeout_s=self._timeout_s).release()

    def attach_streams(
        self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool
    ) -> tuple[socket.socket, bytes]:
        """The streams of a container's own process, from now on."""
        wanted = {"stream": 1, "stdin": int(stdin), "stdout": int(stdout), "stderr": int(stderr)}
        query = urlencode(wanted | {"detachKeys": _NO_DETACH_KEYS})
        path = f"/containers/{container_id}/attach?{query}"
        with docker_errors():
            return hijack(self._host, path, b"", timeout_s=self._timeout_s).release()

    def exec_resize(self, exec_id: str, *, width: int, height: int) -> None:
        with docker_errors():
            self._client.exec_resize(exec_id, height=height, width=width)

    def resize(self, container_id: str, *, width: int, height: int) -> None:
        with docker_errors():
            self._client.resize(container_id, height=height, width=width)

    # Images.

    def image(self, name: str) -> ImageFacts | None:
        try:
            with docker_errors():
                document = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        except RuntimeRefusal as error:
            if error.missing:
                return None
            raise
        return image_from_inspect(document)

    def images(self) -> list[ImageFacts]:
        """All images on this host that have a name."""
        with docker_errors():
            rows = self._client.images()
        return [image for image in (image_from_row(row, every_name=True) for row in rows) if image.names]

    def stored_images(self) -> list[ImageFacts]:
        """All images on this host, those without a name too."""
        with docker_errors():
            rows = self._client.images()
        return [image_from_row(row) for row in rows]

    def images_in_use(self) -> set[str]:
        """Ids of the images of all containers on this host, whoever they belong to."""
        with docker_errors():
            return {row["ImageID"] for row in self._client.containers(all=True)}

    def remove_image(self, name: str) -> None:
        """Takes a name from an image, and the image when that was its last. Refused while a container has it."""
        with docker_errors():
            self._client.remove_image(name, force=False)

    def writable_size(self, container_id: str) -> int:
        """Bytes that a container has written into its own layer. Docker counts them when asked: slow."""
        with docker_errors():
            rows = self._client.containers(all=True, size=True, filters={"id": container_id})
        return rows[0].get("SizeRw") or 0 if rows else 0

    def pull(
        self,
        name: str,
        credentials: Mapping[str, str] | None = None,
        *,
        told: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        """Returns when the image is here. Raises RuntimeFailure; the registry's refusal comes within the stream.

        ``told`` hears each line of that stream.
        """
        with docker_errors():
            client = self._new_client(_PULL_SILENCE_S)
        # Without a tag docker-py asks for "latest"; a digest must stay as it is.
        try:
            with docker_errors():
                for line in client.pull(name, stream=True, decode=True, auth_config=dict(credentials or {}) or None):
                    if "error" in line:
                        raise RuntimeRefusal(str(line["error"]), code=500)
                    told(line)
        finally:
            client.close()

    def import_image(self, name: str, rootfs: bytes, *, changes: tuple[str, ...]) -> None:
        """Makes an image of one layer from a tar file. The tag stands in the name: not all daemons read it beside."""
        with docker_errors():
            answer = self._client.import_image_from_data(rootfs, repository=name, changes=list(changes))
        for line in str(answer).splitlines():
            if line.strip() and "error" in (told := json.loads(line)):
                raise RuntimeRefusal(str(told["error"]), code=500)

    # Networks.

    def networks(self, name: str) -> list[dict[str, Any]]:
        """Inspect documents of the networks of exactly this name."""
        with docker_errors():
            rows = self._client.networks(names=[name])
            return [self._client.inspect_network(row["Id"]) for row in rows if row["Name"] == name]

    def create_network(
        self, name: str, *, subnet: str, gateway: str, options: dict[str, str], labels: dict[str, str]
    ) -> None:
        """A bridge network; raises RuntimeRefusal when its addresses overlap with another's."""
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet, gateway=gateway)])
        with docker_errors():
            self._client.create_network(
                name, driver="bridge", options=options, ipam=ipam, labels=labels, check_duplicate=True
            )

    def remove_network(self, network_id: str) -> None:
        with docker_errors():
            self._client.remove_network(network_id)

    def events(self) -> Events:
        """Changes of containers (of everyone: the daemon cannot filter two kinds by one label) and images, from now."""
        with docker_errors():
            client = self._new_client(self._timeout_s)  # asks the daemon for its version, which may be away
            stream = client.events(
                decode=True,
                filters={"type": ["container", "image"], "event": [*_CONTAINER_EVENTS, *_IMAGE_EVENTS]},
            )
        return Events(stream, client)
