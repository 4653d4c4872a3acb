"""What the roles make of each platform's facts, where no such host can be had. See docs/platforms.md."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.conftest import PLATFORMS, ROOT, OnFacts

ROLES = ROOT / "ansible/roles"
SUPPORTED = tuple(name for name in PLATFORMS if name != "fedora-40")
PLAIN = "/nowhere/steersman-bundle-0.1.0-g1234567890.tar.gz"  # of a bundle without a Python
# As CentOS 7.9 has it, but for the lines of one repository instead of five.
REPOSITORY = """[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.example.test/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.example.test/centos/$releasever/os/$basearch/
gpgcheck=1
"""
# /etc/sysconfig/docker of docker-1.13.1 of CentOS 7's extras.
SYSCONFIG = """OPTIONS='--selinux-enabled --log-driver=journald --signature-verification=false'
if [ -z "${DOCKER_CERT_PATH}" ]; then
    DOCKER_CERT_PATH=/etc/docker
fi
"""


def copy(path: Path, expression: str) -> dict[str, Any]:
    """A task that writes the value of an expression, as JSON."""
    content = "{{ " + expression + " | to_json }}"
    return {
        "ansible.builtin.copy": {"dest": f"{path}/{{{{ inventory_hostname }}}}", "content": content, "mode": "0644"}
    }


def render(source: Path, target: Path, **told: object) -> dict[str, Any]:
    return {"ansible.builtin.template": {"src": str(source), "dest": str(target), "mode": "0644"}, "vars": told}


def role(name: str, tasks: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": name, "tasks_from": tasks}}


def test_each_platform_has_its_packages_and_its_python(on_facts: OnFacts, tmp_path: Path) -> None:
    expression = "[steersman_platform.docker_packages, steersman_python, steersman_platform.packages]"
    on_facts.play([copy(tmp_path, expression)], hosts=SUPPORTED, told={"steersman_bundle": PLAIN})
    found = {name: json.loads((tmp_path / name).read_text()) for name in SUPPORTED}
    assert {name: one[0][0] for name, one in found.items()} == {
        "centos-7": "docker", "rhel-8": "docker-ce", "rhel-9": "docker-ce", "rocky-9": "docker-ce",
        "debian-12": "docker.io", "debian-13": "docker.io", "ubuntu-22": "docker.io", "ubuntu-24": "docker.io",
    }  # fmt: skip
    assert {name for name, one in found.items() if one[1] == ""} == {"centos-7", "debian-13", "ubuntu-24"}
    assert "iproute" in found["centos-7"][2]
    assert "iproute2" in found["debian-12"][2]


def test_another_platform_is_refused_by_name(on_facts: OnFacts) -> None:
    done = on_facts.try_to_play([], hosts=("fedora-40",), told={})
    assert done.returncode != 0
    assert "Fedora 40 is not among the platforms" in done.stdout


def test_centos_7_is_refused_without_a_python(on_facts: OnFacts) -> None:
    task = role("python", "main")
    done = on_facts.try_to_play([task], hosts=("centos-7",), told={"steersman_bundle": PLAIN})
    assert done.returncode != 0
    assert "CentOS 7.9 has no Python 3.11" in done.stdout


@pytest.mark.parametrize("platform", ["centos-7", "ubuntu-22"])
def test_an_etcd_before_3_4_is_refused(platform: str, on_facts: OnFacts) -> None:
    done = on_facts.try_to_play([role("etcd", "main")], hosts=(platform,), told={})
    assert done.returncode != 0
    assert "has no etcd of 3.4 or newer" in " ".join(done.stdout.split())


def test_a_python_that_the_bundle_brings_is_used_on_each_platform(on_facts: OnFacts, tmp_path: Path) -> None:
    hosts = ("centos-7", "debian-12")
    tasks = [role("python", "main"), copy(tmp_path, "[steersman_python, steersman_version, steersman_labels]")]
    done = on_facts.play(tasks, hosts=hosts, told={"steersman_bundle": PLAIN.replace(".tar", "+python3.11.tar")})
    assert done.count("skipped=1") == len(hosts), "no package is asked for"
    for name in hosts:
        python, version, labels = json.loads((tmp_path / name).read_text())
        assert python == ""
        assert version == "0.1.0-g1234567890+python3.11"
        assert {"path": "/opt/steersman/[^/]+/python/bin(/.*)?", "type": "bin_t"} in labels


def test_centos_7s_repositories_are_led_to_the_vault_once(on_facts: OnFacts, tmp_path: Path) -> None:
    repositories = tmp_path / "repos"
    repositories.mkdir()
    file = repositories / "CentOS-Base.repo"
    file.write_text(REPOSITORY)
    told = {"common_repositories_dir": str(repositories)}
    on_facts.play([role("common", "vault")], hosts=("centos-7",), told=told)
    text = file.read_text()
    assert "\nbaseurl=http://vault.example.test/centos/$releasever/os/$basearch/\n" in text
    assert "\n#mirrorlist=" in text
    assert "changed=0" in on_facts.play([role("common", "vault")], hosts=("centos-7",), told=told)
    assert file.read_text() == text


def test_centos_7s_docker_is_told_its_log_driver_in_one_place(on_facts: OnFacts, tmp_path: Path) -> None:
    file = tmp_path / "docker"
    file.write_text(SYSCONFIG)
    on_facts.play([role("docker", "sysconfig")], hosts=("centos-7",), told={"docker_sysconfig_file": str(file)})
    assert file.read_text() == SYSCONFIG.replace(" --log-driver=journald", "")


def test_kernel_settings_of_centos_7_hold_what_its_kernel_needs(on_facts: OnFacts, tmp_path: Path) -> None:
    source, target = ROLES / "common/templates/sysctl.conf.j2", tmp_path / "sysctl.conf"
    on_facts.play([render(source, target)], hosts=("centos-7",), told={})
    lines = [line for line in target.read_text().splitlines() if not line.startswith("#")]
    assert lines == ["net.ipv4.ip_forward = 1", "fs.may_detach_mounts = 1"]


def test_firewalld_is_told_all_ports_of_a_node(on_facts: OnFacts, tmp_path: Path) -> None:
    target = tmp_path / "service.xml"
    ports = yaml.safe_load((ROLES / "common/vars/main.yml").read_text())["common_ports"]
    task = render(ROLES / "common/templates/firewalld-service.xml.j2", target, item="node", common_ports=ports)
    on_facts.play([task], hosts=("centos-7",), told={})
    found = {(one.get("port"), one.get("protocol")) for one in ElementTree.parse(target).getroot().findall("port")}
    assert found == {
        ("10250", "tcp"), ("4194", "tcp"), ("10256", "tcp"), ("9153", "tcp"), ("8472", "udp"),
        ("30000-32767", "tcp"), ("30000-32767", "udp"),
    }  # fmt: skip


def test_volumes_of_pods_get_the_label_that_the_policy_knows(on_facts: OnFacts, tmp_path: Path) -> None:
    hosts = ("centos-7", "rhel-9")
    on_facts.play([copy(tmp_path, "steersman_labels")], hosts=hosts, told={})
    found = {name: {one["type"] for one in json.loads((tmp_path / name).read_text())} for name in hosts}
    assert found == {"centos-7": {"bin_t", "svirt_sandbox_file_t"}, "rhel-9": {"bin_t", "container_file_t"}}
