"""The real playbooks over real ssh, with the Ansible of scripts/ansible-tools."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.machines import ROOT, Machine, run

PLAY_LIMIT_S = 1800


def make_bundle(folder: Path, *arguments: str, tree: Path = ROOT) -> Path:
    """The bundle of what is here, or of another tree."""
    return Path(run(tree / "scripts/bundle", "--output", folder, *arguments, limit_s=1200).strip())


@dataclass
class Played:
    """How a playbook ended."""

    code: int
    output: str

    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by host."""
        rows = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+) ", self.output, re.MULTILINE)
        return {host: int(count) for host, count in rows}


@dataclass
class Site:
    """An inventory of machines, and the playbooks over it."""

    folder: Path
    bundle: Path
    machines: Sequence[Machine]
    groups: dict[str, Sequence[str]]
    variables: dict[str, Any] = field(default_factory=dict)

    def inventory(self) -> Path:
        first = self.machines[0]
        options = " ".join(first.ssh_options[2:])
        told = {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(first.key), "ansible_ssh_common_args": options,
            "steersman_bundle": str(self.bundle), "steersman_update_package_lists": False,
            "steersman_backup_dir": str(self.folder / "backups"), **self.variables,
        }  # fmt: skip
        members = {name for group in self.groups.values() for name in group}
        hosts = {one.name: {"ansible_host": one.address} for one in self.machines if one.name in members}
        children = {name: {"hosts": {member: {} for member in group}} for name, group in self.groups.items()}
        path = self.folder / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": hosts, "vars": told, "children": children}}), encoding="ascii")
        return path

    def try_to_play(self, playbook: str, *arguments: str) -> Played:
        tools = run(ROOT / "scripts/ansible-tools", limit_s=600).strip()
        command = [
            *self.machines[0].segment.prefix, f"{tools}/ansible-playbook", "-i", str(self.inventory()),
            playbook, *arguments,
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.machines[0].segment.control_folder),
        }  # fmt: skip
        said = self.folder / f"{playbook}.log"  # written as it goes, for who looks while it runs
        with said.open("w") as log:
            done = subprocess.run(
                command, cwd=ROOT / "ansible", env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, timeout=PLAY_LIMIT_S, check=False,
            )  # fmt: skip
        return Played(done.returncode, said.read_text())

    def play(self, playbook: str, *arguments: str) -> Played:
        """AssertionError with the end of what it said when it fails."""
        played = self.try_to_play(playbook, *arguments)
        assert played.code == 0, played.output[-6000:]
        return played
