"""Ansible as the playbooks run it, on hosts that are only facts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FACTS = Path(__file__).parent / "facts"
PLATFORMS = tuple(sorted(path.stem for path in FACTS.glob("*.json")))


@dataclass
class Tools:
    """The commands of scripts/ansible-tools."""

    folder: Path
    home: Path

    def __call__(self, command: str, *arguments: object, limit_s: float = 150) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(self.home), "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{self.folder}:{environment['PATH']}", "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.home / "facts"),
        }  # fmt: skip
        return subprocess.run(
            [self.folder / command, *map(str, arguments)],
            cwd=ROOT / "ansible", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=limit_s, check=False,
        )  # fmt: skip


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    done = subprocess.run([ROOT / "scripts/ansible-tools"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return Tools(Path(done.stdout.strip()), tmp_path_factory.mktemp("ansible"))


Groups = Mapping[str, Sequence[str]]


@dataclass
class OnFacts:
    """Tasks of our roles for hosts of which there are only recorded facts; they work on this machine, in a folder."""

    tools: Tools
    folder: Path

    def play(
        self,
        tasks: list[dict[str, Any]],
        *,
        hosts: tuple[str, ...],
        told: Mapping[str, Any],
        groups: Groups | None = None,
    ) -> str:
        """What Ansible said; its end is that of ansible-playbook's last line of tasks."""
        done = self.try_to_play(tasks, hosts=hosts, told=told, groups=groups)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def try_to_play(
        self,
        tasks: list[dict[str, Any]],
        *,
        hosts: tuple[str, ...],
        told: Mapping[str, Any],
        groups: Groups | None = None,
    ) -> subprocess.CompletedProcess[str]:
        cache = self.tools.home / "facts"
        cache.mkdir(exist_ok=True)
        for host in hosts:
            facts = json.loads((FACTS / f"{host}.json").read_text()) | {"_ansible_facts_gathered": True}
            (cache / host).write_text(json.dumps(facts))
        play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "steersman"}], "tasks": tasks}
        (self.folder / "play.json").write_text(json.dumps([play]))
        members = {
            host: {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"} for host in hosts
        }
        groups = groups or {"node": hosts, "master": hosts[:1]}
        children = {name: {"hosts": {host: {} for host in group}} for name, group in groups.items()}
        inventory = {"all": {"hosts": members, "children": children}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        return self.tools(
            "ansible-playbook", "-i", self.folder / "inventory.json", "-e", json.dumps(dict(told)),
            self.folder / "play.json",
        )  # fmt: skip


@pytest.fixture
def on_facts(tools: Tools, tmp_path: Path) -> OnFacts:
    return OnFacts(tools, tmp_path)
