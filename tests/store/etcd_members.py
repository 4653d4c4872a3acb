"""Real etcd members on loopback, for tests and measurements: started, frozen, killed, and always removed."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

START_LIMIT_S = 30


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; etcd must know its ports before it starts."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Member:
    """One etcd process."""

    name: str
    folder: Path
    client_port: int
    peer_port: int
    cluster: str = ""
    tls: dict[str, Path] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.client_port}"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self) -> None:
        options = {
            "name": self.name,
            "data-dir": self.folder / self.name,
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "initial-cluster": self.cluster,
            "max-txn-ops": 128,
            "log-level": "error",
            **self.tls,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        if self.tls:
            arguments.append("--client-cert-auth")
        with (self.folder / f"{self.name}.log").open("ab") as output:
            self.process = subprocess.Popen(["etcd", *arguments], stdout=output, stderr=output)

    def healthy(self) -> bool:
        """True when it answers, which it does only with a leader."""
        try:
            with closing(self._connect()) as connection:
                connection.request("GET", "/health")
                return b'"true"' in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        """One call to this member's gateway."""
        with closing(self._connect()) as connection:
            connection.request("POST", path, body)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer

    def _connect(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=2)
        context = ssl.create_default_context(cafile=self.tls["trusted-ca-file"])
        context.load_cert_chain(self.tls["cert-file"], self.tls["key-file"])
        return http.client.HTTPSConnection("127.0.0.1", self.client_port, timeout=2, context=context)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, also of a frozen one."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


class Members:
    """A cluster of some members, for a `with`; `stop` removes processes and data."""

    def __init__(self, folder: Path, count: int = 1, tls: dict[str, Path] | None = None) -> None:
        self.folder = folder
        ports = free_ports(2 * count)
        self.members = [
            Member(f"m{n}", folder, ports[2 * n], ports[2 * n + 1], tls=dict(tls or {})) for n in range(count)
        ]
        self.endpoints = tuple(member.url for member in self.members)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        cluster = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            member.cluster = cluster
            member.start()
        self.wait()

    def wait(self) -> None:
        """Until every started member answers."""
        end = time.monotonic() + START_LIMIT_S
        for member in self.members:
            while member.process is not None and not member.healthy():
                if member.process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / f"{member.name}.log").read_text()[-2000:]
                    raise RuntimeError(f"etcd {member.name} did not start: {log}")
                time.sleep(0.02)

    def stop(self) -> None:
        for member in self.members:
            member.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
