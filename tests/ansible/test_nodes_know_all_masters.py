"""Where the nodes of a cluster with several masters look for the API."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.ansible.conftest import FACTS, ROOT, OnFacts
from tests.ansible.test_platforms_are_told_by_their_facts import copy

MASTERS = ("debian-12", "centos-7", "debian-13")
GROUPS = {"master": MASTERS, "etcd": MASTERS, "node": ("rhel-9",)}
HOSTS = (*MASTERS, "rhel-9")
NODE = yaml.safe_load((ROOT / "ansible/roles/node/vars/main.yml").read_text())["node_servers"]


def address(host: str) -> str:
    found: str = json.loads((FACTS / f"{host}.json").read_text())["ansible_default_ipv4"]["address"]
    return found


def servers(on_facts: OnFacts, folder: Path, **told: object) -> list[str]:
    """What the node's certificates are asked for with."""
    on_facts.play([copy(folder, "node_servers")], hosts=HOSTS, groups=GROUPS, told={"node_servers": NODE, **told})
    found: list[str] = json.loads((folder / "rhel-9").read_text())
    return found


def test_a_node_asks_one_master_after_the_other(on_facts: OnFacts, tmp_path: Path) -> None:
    assert servers(on_facts, tmp_path) == [f"--server=https://{address(one)}:6443" for one in MASTERS]


def test_a_balancer_is_asked_before_them(on_facts: OnFacts, tmp_path: Path) -> None:
    told = {"steersman_api_host": "api.example.test", "steersman_api_port": 443}
    wanted = ["--server=https://api.example.test:443", *(f"--server=https://{address(one)}:443" for one in MASTERS)]
    assert servers(on_facts, tmp_path, **told) == wanted
