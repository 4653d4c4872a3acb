"""A Docker daemon of the tests' own, in a network namespace of its own: one that may be restarted.

Its rules, bridges and addresses are in that namespace; its state, sockets and images in a directory. The cluster that
uses it runs in the same namespace. Only the network is apart: `nsenter --net` keeps the mounts, which `ip netns exec`
would not, and with them the cgroups.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.waiting import until

ADDRESS = "198.18.77.2"  # RFC 2544: for tests between devices


@dataclass(slots=True)
class PrivateDocker:
    """A daemon below a directory, in a namespace of that name."""

    name: str
    folder: Path
    options: tuple[str, ...] = ()
    _daemon: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What comes before a command that is to run in the namespace."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def make_network(self) -> None:
        """A namespace that looks like a host: loopback, one interface with an address, and a default route."""
        _run("ip", "netns", "add", self.name)
        inside = ("ip", "-n", self.name)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "uplink")
        for end in ("eth0", "uplink"):
            _run(*inside, "link", "set", end, "addrgenmode", "none")  # no IPv6 address that comes some seconds later
        _run(*inside, "link", "set", "uplink", "up")
        _run(*inside, "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
        _run(*inside, "link", "set", "eth0", "up")
        _run(*inside, "route", "add", "default", "via", "198.18.77.1")

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        command = [
            *self.prefix,
            "dockerd",
            f"--host={self.host}",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/docker.pid",
            f"--containerd-namespace={self.name}",
            f"--containerd-plugins-namespace={self.name}-plugins",
            *self.options,
        ]
        log = (self.folder / "dockerd.log").open("ab")
        self._daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        until(self.answers, limit_s=90, what=f"dockerd; see {self.folder}/dockerd.log")

    def answers(self) -> bool:
        done = subprocess.run(["docker", "-H", self.host, "info"], capture_output=True, timeout=20, check=False)
        return done.returncode == 0

    def stop(self) -> None:
        """End the daemon as an init system does; it ends its containers."""
        if self._daemon is None:
            return
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(30)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait(10)
        self._daemon = None

    def load(self, images: Sequence[str]) -> None:
        """Bring images over from the host's daemon."""
        save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        done = subprocess.run(
            ["docker", "-H", self.host, "load"],
            stdin=save.stdout,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert save.wait(10) == 0
        assert done.returncode == 0, done.stderr

    def remove(self) -> None:
        """Take all of it away: containers, daemon, what is mounted in its directory, the namespace."""
        if self._daemon is not None:
            listed = subprocess.run(
                ["docker", "-H", self.host, "ps", "-aq"], capture_output=True, text=True, timeout=20, check=False
            )
            if listed.stdout.split():
                command = ["docker", "-H", self.host, "rm", "-f", *listed.stdout.split()]
                subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.stop()
        self._end_left_shims()
        for point in _mounts_below(self.folder):
            subprocess.run(["umount", "-l", point], capture_output=True, timeout=20, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, timeout=20, check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", f"{self.folder}/data", f"{self.folder}/exec"], check=False)

    def _end_left_shims(self) -> None:
        """Shims outlive a daemon that was killed; they are told by the socket of our containerd."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes()
            except OSError:
                continue
            if f"{self.folder}/exec".encode() in words:
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _mounts_below(folder: Path) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    return sorted((one for one in points if one.startswith(f"{folder}/")), reverse=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
