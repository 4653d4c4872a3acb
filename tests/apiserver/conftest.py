"""A whole apiserver for the tests: real TLS sockets, a real SQLite store, real certificates; one for each module."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import urllib3

from client.kubeconfig import load_kubeconfig
from master import pki
from master.apiserver.config import Config
from master.apiserver.server import Apiserver

T = TypeVar("T")

LIMIT_S = 15.0
KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


def wait_for(found: Callable[[], T], *, limit_s: float = LIMIT_S) -> T:
    """The first true answer. Fails the test when there is none in time."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"not within {limit_s} s")


class Running:
    """An apiserver on a loop and a thread of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.loop = asyncio.new_event_loop()
        self.server: Apiserver | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, name="apiserver under test")
        self._thread.start()
        try:
            self.do(self._start())
        except BaseException:
            self._end_loop()
            raise

    async def _start(self) -> None:
        self.server = Apiserver(self.config)
        await self.server.start()

    def do(self, work: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LIMIT_S)

    @property
    def api(self) -> Apiserver:
        assert self.server is not None
        return self.server

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api.port}"

    def stop(self) -> None:
        try:
            self.do(self.api.stop())
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LIMIT_S)
        self.loop.close()


@dataclass
class Answer:
    """Status, headers and JSON body of one call."""

    status: int
    headers: Any
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Api:
    """Calls of one identity, as plain JSON."""

    url: str
    pool: urllib3.PoolManager
    streams: list[Any] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.pool.request(method, self.url + path, body=data, headers=sent, timeout=LIMIT_S)
        return Answer(answer.status, answer.headers, answer.data)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("PUT", path, body, **headers)

    def delete(self, path: str, body: Any = None) -> Answer:
        return self.call("DELETE", path, body)

    def patch(self, path: str, body: Any, form: str = "strategic-merge") -> Answer:
        return self.call("PATCH", path, body, Content_Type=f"application/{form}-patch+json")

    def watch(self, path: str, **headers: str) -> "Lines":
        answer = self.pool.request(
            "GET", self.url + path, preload_content=False, timeout=LIMIT_S, headers=headers or None
        )
        self.streams.append(answer)
        return Lines(answer)


class Lines:
    """The JSON lines of an open watch."""

    def __init__(self, answer: Any) -> None:
        self.status = answer.status
        self._answer = answer
        self._pending = b""

    def next(self) -> Any:
        """The next event; fails when none comes in time. None at the clean end."""
        while b"\n" not in self._pending:
            chunk = self._answer.read1()
            if not chunk:
                return None
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)

    def take(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        events = [self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def identities() -> list[pki.Identity]:
    return [
        pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        ),
        pki.agent_identity(node_name="n1", host_name="n1", addresses=["127.0.0.1"]),
        *pki.standard_identities(node_name="n1"),
    ]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.ensure(tmp_path_factory.mktemp("etc"), identities(), server="https://127.0.0.1:1")


@pytest.fixture(scope="module")
def new_server(certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Starts servers; on the same data when ``data_dir`` is given again."""
    running: list[Running] = []

    def start(**settings: Any) -> Running:
        settings.setdefault("data_dir", tmp_path_factory.mktemp("data"))
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            config_dir=certificates.directory,
            shutdown_grace_s=2.0,
            **settings,
        )
        assert config.check() == []
        running.append(Running(config))
        return running[-1]

    yield start
    for one in running:
        if not one.loop.is_closed():
            one.stop()


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Running]) -> Running:
    return new_server()


@pytest.fixture
def as_user(certificates: pki.Pki) -> Iterator[Callable[[Running, str], Api]]:
    """Clients by the name of their kubeconfig; "" is nobody."""
    opened: list[Api] = []

    def client(server: Running, name: str) -> Api:
        credentials = load_kubeconfig(certificates.kubeconfig(name or "admin"))
        if name:
            context = credentials.ssl_context()
        else:
            context = urllib3.util.create_urllib3_context()
            context.load_verify_locations(cadata=credentials.ca.decode())
        opened.append(Api(server.url, urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)))
        return opened[-1]

    yield client
    for api in opened:
        for stream in api.streams:
            stream.close()
        api.pool.clear()


@pytest.fixture
def admin(server: Running, as_user: Callable[[Running, str], Api]) -> Api:
    return as_user(server, "admin")


@pytest.fixture
def namespace(admin: Api, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    made = admin.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}})
    assert made.status == 201, made.data
    name: str = made.json["metadata"]["name"]
    return name


@pytest.fixture
def kubectl(server: Running, certificates: pki.Pki, tmp_path: Path, namespace: str) -> Callable[..., Any]:
    """Runs the real kubectl in the test's namespace; returns the finished process."""
    assert KUBECTL is not None, "kubectl is not installed"
    text = certificates.kubeconfig("admin").read_text().replace("https://127.0.0.1:1", server.url)
    config = tmp_path / "kubeconfig"
    config.write_text(text)

    def run(*arguments: str, stdin: str = "", ok: bool = True) -> Any:
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", config, "--cache-dir", tmp_path / "cache", "-n", namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode == 0) is ok, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    return run


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """The smallest pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "pause:1"}], **spec},
    }
