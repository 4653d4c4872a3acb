"""Lint, syntax, and the settings that the roles write: read by the very components they are for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.conftest import ROOT, OnFacts, Tools

ANSIBLE = ROOT / "ansible"
ROLES = ANSIBLE / "roles"
PLAYBOOKS = sorted(path.name for path in ANSIBLE.glob("*.yml"))
DEFAULTS = ROLES / "steersman/defaults/main.yml"
NAME = re.compile(r"\bsteersman_[a-z0-9_]+\b")


@pytest.mark.timeout(600)
def test_the_linters_strictest_profile_finds_nothing(tools: Tools) -> None:
    done = tools("ansible-lint", "--offline", "--nocolor", "--profile", "production", limit_s=580)
    assert done.returncode == 0, done.stdout[-4000:]


def test_ansible_still_speaks_to_python_2_7(tools: Tools) -> None:
    module_utils = next(tools.folder.parent.glob("lib/python3*/site-packages/ansible/module_utils/basic.py"))
    assert "(2, 7)" in re.search(r"_PY_MIN = (.*)|_PY2_MIN = (.*)", module_utils.read_text())[0]  # type: ignore[index]


@pytest.mark.parametrize("inventory", sorted(path.name for path in (ANSIBLE / "inventory").iterdir()))
def test_the_playbooks_can_be_read_with_each_inventory(inventory: str, tools: Tools) -> None:
    done = tools("ansible-playbook", "--syntax-check", "-i", f"inventory/{inventory}", *PLAYBOOKS)
    assert done.returncode == 0, done.stdout[-4000:]


def test_every_variable_is_declared_with_a_default_and_told_of() -> None:
    declared = set(yaml.safe_load(DEFAULTS.read_text()))
    own = set(yaml.safe_load((ROLES / "steersman/vars/main.yml").read_text()))
    files = [path for path in ANSIBLE.rglob("*") if path.suffix in (".yml", ".j2")]
    used = {name for path in files for name in NAME.findall(path.read_text())}
    made = set(re.findall(r"(?:register: |^ *)(steersman_[a-z0-9_]+)", "\n".join(p.read_text() for p in files), re.M))
    assert used - declared - own - made == set()
    page = (ROOT / "docs/ansible.md").read_text()
    assert [name for name in sorted(declared) if f"`{name}`" not in page] == []


def settings_of(parts: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "ansible.builtin.template": {
                "src": str(ROLES / "steersman/templates/settings.yaml.j2"), "dest": f"{folder}/{part['name']}.yaml",
                "mode": "0644",
            },
            "vars": {"item": part, "bundle_here": {"stat": {"checksum": "0" * 64}}},
        }
        for part in parts
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["master", "node"])
def test_the_settings_are_ones_that_the_components_take(name: str, on_facts: OnFacts, tmp_path: Path) -> None:
    told = yaml.safe_load((ROLES / name / "vars/main.yml").read_text())
    parts = told.pop(f"{name}_parts")
    more = {"steersman_settings": {"agent": {"max-pods": 50}}, "steersman_bundle": "steersman-bundle-1.tar.gz"}
    on_facts.play(settings_of(parts, tmp_path), hosts=("centos-7",), told={**told, **more})
    for part in parts:
        command = [sys.executable, "-m", "cli.steersman", part["name"], "--config", f"{tmp_path}/{part['name']}.yaml"]
        done = subprocess.run(
            [*command, "--check-config"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        if part["name"] == "agent":
            assert "max-pods: 50" in done.stdout
            assert 'node-ip: "192.0.2.17"' in done.stdout
