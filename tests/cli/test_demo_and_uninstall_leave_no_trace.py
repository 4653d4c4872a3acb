"""The whole way of a newcomer: demo, demo again, everything killed, up, uninstall; then the host is as it was."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli import board

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.timeout(300)]
Steersman = Callable[..., "subprocess.CompletedProcess[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_node_port() -> int:
    """A port of the range for services that nobody on this host listens on."""
    for port in random.sample(range(30100, 32767), 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


@dataclass(frozen=True)
class Place:
    """Where the test's cluster lives."""

    root: Path
    flags: tuple[str, ...]
    manifest: Path
    node_port: int


@pytest.fixture
def place(tmp_path: Path, steersman: Steersman) -> Iterator[Place]:
    subprocess.run([ROOT / "examples/guestbook/images.sh"], check=True, capture_output=True, timeout=170)
    word, number, node_port = uuid.uuid4().hex[:6], random.randrange(20, 250), free_node_port()
    manifest = tmp_path / "guestbook.yaml"
    text = (ROOT / "examples/guestbook/guestbook.yaml").read_text()
    manifest.write_text(text.replace("nodePort: 30001", f"nodePort: {node_port}"))
    ports = ("apiserver", "agent", "cadvisor", "netproxy-health", "controllers-health", "scheduler-health")
    flags = (
        *(f"--{one}-port={free_port()}" for one in ports),
        f"--name=test-{word}",
        f"--node-name=node-{word}",
        f"--bridge=st{word}",
        f"--dns-interface=sd{word}",
        f"--dns-address=169.254.{number}.10",
        f"--chain-prefix=T{word.upper()}",
        f"--service-cidr=10.{number}.0.0/24",
        f"--pod-cidr=10.{number}.128.0/17",
        f"--container-log-dir={tmp_path}/containers",
        f"--pod-log-dir={tmp_path}/pods",
    )
    found = Place(tmp_path / "root", flags, manifest, node_port)
    yield found
    # With all of its flags: when it is gone, the settings left out would be those of this host's own cluster.
    steersman("uninstall", "--yes", "--keep-images", "--root", found.root, *flags)


def traces(place: Place) -> dict[str, list[str]]:
    """What a cluster of this place would leave on the host."""
    words = [flag.split("=")[1] for flag in place.flags if "-port" not in flag]
    name, bridge, interface, prefix = words[0], words[2], words[3], words[5]
    rules = output("iptables-save")
    links = output("ip", "-oneline", "address") + output("ip", "route")
    every_container = output("docker", "ps", "-aq", "--filter", f"label=io.steersman.cluster={name}")
    return {
        "containers": every_container.split(),
        "networks": output("docker", "network", "ls", "-q", "--filter", f"label=io.steersman.cluster={name}").split(),
        "rules": [line for line in rules.splitlines() if prefix in line or bridge in line],
        "links": [line for line in links.splitlines() if bridge in line or interface in line or words[4] in line],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(place.root) in line],
        "files": [str(one) for one in place.root.parent.rglob("*") if one != place.manifest],
        "processes": [line for line in output("ps", "-eo", "pid,args").splitlines() if f"--name={name}" in line],
    }


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def running_pids(place: Place) -> list[int]:
    found = board.read(place.root / "run/steersman")
    assert found is not None
    return [one.pid for one in found.processes]


def test_from_nothing_to_a_guestbook_and_back(place: Place, steersman: Steersman) -> None:
    up = steersman("up", "--root", place.root, *place.flags, "--timeout", 60)
    assert up.returncode == 0, up.stderr
    demo = ("demo", "--root", place.root, "--manifest", place.manifest, "--timeout", 60)
    first = steersman(*demo)
    assert first.returncode == 0, first.stderr
    (address,) = {word for word in first.stdout.split() if word.endswith(f":{place.node_port}/")}
    # Each pod of the front end has its turn. The demo waits until a service has one, and endpoints come in batches.
    deadline = time.monotonic() + 60
    while answers_of(address, 12) < 3:
        assert time.monotonic() < deadline

    containers = traces(place)["containers"]
    again = steersman(*demo)
    assert again.returncode == 0, again.stderr
    assert "created" not in again.stdout
    assert traces(place)["containers"] == containers

    for pid in running_pids(place):
        os.kill(pid, signal.SIGKILL)
    assert steersman("up", "--root", place.root).returncode == 0
    assert traces(place)["containers"] == containers  # adopted, none started again
    status = steersman("status", "--root", place.root)
    assert (status.returncode, status.stdout.count("running")) == (0, 8), status.stdout

    pids = running_pids(place)
    removed = steersman("uninstall", "--yes", "--keep-images", "--root", place.root)
    assert removed.returncode == 0, removed.stderr
    assert len([line for line in removed.stdout.splitlines() if "removed container" in line]) == len(containers) == 12
    assert {kind: found for kind, found in traces(place).items() if found} == {}
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in pids)


def answers_of(address: str, times: int) -> int:
    """How many pods answer when the guestbook is asked so many times."""
    pods: set[Any] = set()
    for _ in range(times):
        with urllib.request.urlopen(f"{address}guestbook.php?cmd=get&key=messages", timeout=5) as answer:
            pods.add(answer.headers["X-Served-By"])
            assert json.loads(answer.read()) == {"data": ""}
    return len(pods)
