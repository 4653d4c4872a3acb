"""`vagrant validate` with Debian's vagrant, installed by the test where it is missing: hence long."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.ansible.conftest import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = subprocess.run([ROOT / "scripts/vagrant"], capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return tmp_path_factory.mktemp("vagrant")


def validate(home: Path, **told: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STEERSMAN_", "VAGRANT_"))}
    # Boxes and providers are nothing that can be had everywhere: what is asked is whether the file is right.
    return subprocess.run(
        ["vagrant", "validate", "--ignore-provider"],
        cwd=ROOT, env=kept | {"VAGRANT_HOME": str(home), "VAGRANT_DOTFILE_PATH": str(home / "dot")} | told,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def machines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"^==> (\S+):", done.stdout, re.MULTILINE)


def test_one_master_and_two_nodes_are_the_default(home: Path) -> None:
    done = validate(home)
    assert done.returncode == 0, done.stderr
    assert machines(done) == ["master1", "node1", "node2"]


def test_number_and_provider_are_told_by_the_environment(home: Path) -> None:
    done = validate(home, STEERSMAN_MASTERS="3", STEERSMAN_NODES="1", STEERSMAN_PROVIDER="libvirt")
    assert done.returncode == 0, done.stderr
    assert machines(done) == ["master1", "master2", "master3", "node1"]


@pytest.mark.parametrize("wrong", ["none", "0", "-1"])
def test_a_number_that_is_none_is_named(home: Path, wrong: str) -> None:
    done = validate(home, STEERSMAN_MASTERS=wrong)
    assert done.returncode != 0
    assert "STEERSMAN_MASTERS must be a whole number from 1" in done.stdout + done.stderr


def test_its_groups_are_those_of_the_playbook() -> None:
    named = set(re.findall(r'^ +"(\w+)" => ', (ROOT / "Vagrantfile").read_text(), re.MULTILINE))
    plays = yaml.safe_load((ROOT / "ansible/site.yml").read_text())
    known = {word.split("[")[0] for play in plays for word in play["hosts"].split(":")}
    assert named <= known
    assert {"master", "node"} <= named
