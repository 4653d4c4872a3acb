"""What the tests of the apiserver call: a server on a thread of its own, and clients that speak plain JSON."""

import asyncio
import json
import os
import shutil
import socket
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from master.apiserver.config import Config
from master.apiserver.server import Apiserver

LIMIT_S = 60.0
KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


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


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """The smallest pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "pause:1"}], **spec},
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
