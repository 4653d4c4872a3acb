"""Three hosts with a cluster on them that the real playbook made, and a fourth that may join."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import leftovers
from tests.cluster.machines import ROOT, Machine, booted, run
from tests.cluster.playbooks import Site, make_bundle
from tests.cluster.traces import seen
from tests.e2e import guestbook as book

NAMES = ("n1", "n2", "n3", "n4")
STEER = "steer --kubeconfig /etc/steersman/admin.kubeconfig"


@dataclass
class Cluster:
    """Hosts n1 (master and node), n2, n3 (nodes) and n4 (not of it yet)."""

    site: Site
    machines: list[Machine]
    before: dict[str, dict[str, set[str]]]
    new_bundle: Path

    @property
    def master(self) -> Machine:
        return self.machines[0]

    @property
    def members(self) -> list[Machine]:
        return [one for one in self.machines if one.name in self.site.groups["node"]]

    def machine(self, name: str) -> Machine:
        return next(one for one in self.machines if one.name == name)

    def steer(self, words: str) -> str:
        return self.master(f"{STEER} {words}")

    def get(self, words: str) -> Any:
        return json.loads(self.steer(f"get {words} -o json"))

    def ready_nodes(self) -> list[str]:
        done = self.master.try_it(f"{STEER} get nodes --no-headers")
        rows = [row.split() for row in done.stdout.splitlines()]
        return sorted(row[0] for row in rows if row[1].split(",")[0] == "Ready")

    def create(self, text: str) -> None:
        """Objects of a manifest."""
        self.master(f"{STEER} create -f - <<'END'\n{text}\nEND")

    def fetch(self, machine: Machine, port: int, path: str = "/") -> str:
        """What a node port of a host answers; empty when nothing."""
        url = f"http://{machine.address}:{port}{path}"
        return machine.segment("curl", "-sf", "--noproxy", "*", "--max-time", "5", url, check=False).strip()


CANNOT = 3  # how scripts/test-hosts --probe ends where no host can be booted


@pytest.fixture(scope="session", autouse=True)
def bootable() -> None:
    """Skip where this machine boots no hosts, whatever is booted; clear away first what a run that was killed left."""
    probe = subprocess.run(
        [ROOT / "scripts/test-hosts", "--probe"], capture_output=True, text=True, timeout=300, check=False
    )
    if probe.returncode == CANNOT:
        pytest.skip(probe.stdout.strip())
    assert probe.returncode == 0, probe.stderr
    leftovers.clear()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    old, new = make_bundles(folder)
    with booted(folder, "c", NAMES) as machines:
        before = {one.name: seen(one) for one in machines}
        for machine in machines:
            load_images(machine)
        # A host of no group is not in the inventory at all: see Site.inventory.
        groups = {"master": NAMES[:1], "node": list(NAMES[:3])}
        site = Site(folder, old, machines, groups, {"steersman_settings": {"agent": {"volume-refresh-s": 5.0}}})
        yield Cluster(site, machines, before, new)


def load_images(machine: Machine, images: Sequence[str] = ()) -> None:
    """Bring images over, since no registry has them; those of the examples when none is named."""
    if not images:
        book.build_images()
        images = [f"{one}:latest" for one in book.IMAGES] + [book.TEST_IMAGE]
    save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
    ssh = [*machine.segment.prefix, "ssh", *machine.ssh_options, f"root@{machine.address}", "docker load"]
    done = subprocess.run(ssh, stdin=save.stdout, capture_output=True, text=True, timeout=120, check=False)
    assert save.wait(10) == 0
    assert done.returncode == 0, done.stderr


def make_bundles(folder: Path) -> tuple[Path, Path]:
    """The bundle of the commit before this one, and that of what is here."""
    earlier = folder / "earlier"
    earlier.mkdir()
    archive = folder / "earlier.tar"
    with archive.open("wb") as file:
        subprocess.run(["git", "-C", ROOT, "archive", "HEAD~1"], stdout=file, check=True, timeout=60)
    run("tar", "--extract", "--file", archive, "--directory", earlier)
    (earlier / ".venv").symlink_to(ROOT / ".venv")
    old, new = (make_bundle(folder / "bundles" / tree.name, tree=tree) for tree in (earlier, ROOT))
    assert old.name != new.name
    return old, new
