"""Podman's service, which speaks Docker's API, with storage, networks and settings of its own below a folder."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from docker.api import APIClient
from docker.errors import DockerException

from tests.e2e.waiting import until

# What these settings are for: a host without systemd, and one that lets nobody raise a limit.
_SETTINGS = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[network]
network_config_dir = "{folder}/networks"
"""


@dataclass(slots=True)
class Podman:
    folder: Path
    _service: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/podman.sock"

    def start(self) -> None:
        (self.folder / "networks").mkdir(exist_ok=True)
        (self.folder / "containers.conf").write_text(_SETTINGS.format(folder=self.folder))
        with (self.folder / "podman.log").open("ab") as log:
            command = [*self._command, "system", "service", "--time=0", self.host]
            self._service = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._answers, limit_s=30, what=lambda: (self.folder / "podman.log").read_text())

    def run(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
        done = subprocess.run(
            [*self._command, *arguments], env=self._environment, input=stdin, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.decode()

    def remove(self) -> None:
        """Containers, networks, images, and the service itself."""
        self.run("rm", "--all", "--force", "--time=0", check=False)
        self.run("network", "prune", "--force", check=False)
        if self._service is not None:
            self._service.terminate()
            self._service.wait(20)
        self.run("system", "reset", "--force", check=False)

    @property
    def _command(self) -> list[str]:
        return ["podman", f"--root={self.folder}/storage", f"--runroot={self.folder}/run"]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf"), "TMPDIR": str(self.folder)}

    def _answers(self) -> bool:
        try:
            client = APIClient(self.host, version="auto", timeout=10)
        except DockerException:
            return False
        client.close()
        return True
