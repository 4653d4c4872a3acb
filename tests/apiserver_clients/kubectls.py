"""The kubectls under test, and how a test runs one."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OLD, MIDDLE, NEW = "1.20", "1.32", "newest"
GENERATIONS = (OLD, MIDDLE, NEW)
_LIMIT_S = 60
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: php, image: "web:1", ports: [{containerPort: 80}]}
"""


def clients() -> Path:
    """Where scripts/test-clients unpacks."""
    return Path(os.environ.get("STEERSMAN_TEST_CLIENTS") or Path(sys.prefix) / "test-clients")


def binary(generation: str) -> str:
    """Fails the test when it is not there: a client that is never tried is not known to work."""
    name = "kubectl" if generation == NEW else str(clients() / f"kubectl-{generation}")
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert found is not None, f"{name} is not there; run scripts/test-clients"
    return found


@dataclass
class Kubectl:
    """One kubectl, with no flag but where the server is."""

    generation: str
    path: str
    kubeconfig: Path
    namespace: str
    scratch: Path

    def command(self, *arguments: str) -> list[str]:
        return [
            self.path,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.scratch / 'cache'}",
            f"--namespace={self.namespace}",
            *arguments,
        ]

    def done(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            env={**os.environ, "HOME": str(self.scratch), **environment},
        )

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """What it printed; it must have succeeded."""
        done = self.done(*arguments, stdin=stdin, **environment)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What it complained of; it must have failed."""
        done = self.done(*arguments, stdin=stdin)
        assert done.returncode != 0, f"{arguments}: {done.stdout}"
        return done.stderr

    @property
    def is_old(self) -> bool:
        return self.generation == OLD


@contextmanager
def staying(command: list[str]) -> Iterator[list[str]]:
    """The lines, as they come, of a program that watches."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lines.extend, args=(iter(process.stdout.readline, ""),), name="lines")
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait(_LIMIT_S)
        reader.join(_LIMIT_S)
        process.stdout.close()


def shown(lines: list[str], *words: str) -> Callable[[], bool]:
    """Whether all of the words stand in one of the lines."""
    return lambda: any(all(word in line for word in words) for line in tuple(lines))
