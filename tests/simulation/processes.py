"""A master's three processes, real ones, that can be killed at any moment and started again on the same state."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from client import Client
from master import pki

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
# Fast clocks: a lost node is given up after two seconds, a lease is taken after four.
_ELECTION = {"lease-duration": 4, "renew-deadline": 3, "retry-period": 0.5}
_NODES = {"node-monitor-period-s": 0.25, "node-monitor-grace-period-s": 2.0, "node-eviction-rate": 10}
NAMES = ("apiserver", "controllers", "scheduler")
# Second copies: of each pair one leads.
STANDBYS = {"standby-controllers": "controllers", "standby-scheduler": "scheduler"}


def until(found: Callable[[], object], *, what: str, limit_s: float = LIMIT_S) -> None:
    end = time.monotonic() + limit_s
    while not found():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.05)


class Processes:
    """``start`` and ``kill`` each by its name; ``close`` ends all."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        served = pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=["127.0.0.1"], service_ip="10.96.0.1", domain="cluster.local"
        )
        identities = (served, *pki.standard_identities(node_name="unused"))
        self.pki = pki.ensure(folder / "etc", identities, server=f"https://127.0.0.1:{self.port}")
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def kubeconfig(self, user: str) -> Path:
        return self.pki.kubeconfig(user)

    def client(self, user: str = "admin") -> Client:
        return Client.from_kubeconfig(self.kubeconfig(user))

    def start(self, name: str) -> None:
        """Nothing happens when it runs."""
        if name in self._running:
            return
        component = STANDBYS.get(name, name)
        command = [sys.executable, "-m", "cli.steersman", component, *self._flags(component), "--log-level=info"]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)

    def _flags(self, name: str) -> list[str]:
        election = [f"--leader-elect-{key}-s={value}" for key, value in _ELECTION.items()]
        if name == "apiserver":
            return [
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                f"--data-dir={self._folder / 'data'}",
                f"--config-dir={self.pki.directory}",
            ]
        if name == "scheduler":
            return [f"--kubeconfig={self.kubeconfig('scheduler')}", *election]
        nodes = [f"--{key}={value}" for key, value in _NODES.items()]
        pool = "--load-balancer-pool=192.0.2.0/26"
        return [f"--kubeconfig={self.kubeconfig('controller-manager')}", *election, *nodes, pool]

    def kill(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(LIMIT_S)

    def runs(self, name: str) -> bool:
        return name in self._running

    def pause(self, name: str, *, stopped: bool) -> None:
        """Or let it go on: it wakes in the belief that no time has passed."""
        if name in self._running:
            os.kill(self._running[name].pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    def ended(self) -> list[str]:
        """Which ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def log(self, name: str, *, lines: int = 40) -> str:
        path = self._folder / f"{name}.log"
        return "\n".join(path.read_text().splitlines()[-lines:]) if path.exists() else ""

    def close(self) -> None:
        for name in tuple(self._running):
            self.kill(name)
