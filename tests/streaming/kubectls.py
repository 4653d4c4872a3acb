"""The kubectl programs on this host, and how to make the newest speak SPDY."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clusters import clean_environment

NEWEST = Path(sys.executable).with_name("kubectl")
CLIENTS = Path(os.environ.get("STEERSMAN_TEST_CLIENTS") or Path(sys.prefix) / "test-clients")
OLDEST = CLIENTS / "kubectl-1.20"
NO_WEBSOCKETS = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


@dataclass(frozen=True)
class Program:
    """A kubectl. `environment` is set on top of the test's own."""

    name: str
    path: Path = NEWEST
    environment: tuple[tuple[str, str], ...] = ()

    def environ(self, kubeconfig: Path, home: Path) -> dict[str, str]:
        return clean_environment(KUBECONFIG=str(kubeconfig), HOME=str(home)) | dict(self.environment)

    def run(
        self, kubeconfig: Path, *arguments: str, stdin: bytes | None = None, limit_s: float = 30
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(self.path), *arguments],
            env=self.environ(kubeconfig, Path(os.environ.get("HOME", "/tmp"))),
            **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}),  # type: ignore[arg-type]
            capture_output=True,
            timeout=limit_s,
            check=False,
        )


PROGRAMS = [
    program
    for program in (
        Program("newest, WebSocket"),
        Program("newest, SPDY", environment=tuple(NO_WEBSOCKETS.items())),
        Program("1.20, SPDY", path=OLDEST),
    )
    if program.path.exists()
]
