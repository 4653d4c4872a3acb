"""Two hosts whose firewalld runs, and what can be tried of SELinux's tools under a kernel without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.conftest import STEER, load_images
from tests.cluster.machines import Machine, booted, suite
from tests.cluster.playbooks import Site, make_bundle
from tests.cluster.traces import differences, seen
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.pods import FETCH
from tests.e2e.waiting import until

pytestmark = [pytest.mark.hosts, pytest.mark.long, pytest.mark.timeout(3600)]

NAMES = ("f1", "f2")
NODE_PORT = 30081
CLOSED_PORT = 8999
# The server at one node, who asks it at the other: what they say crosses both firewalls.
PODS = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  nodeName: f2
  containers:
  - name: web
    image: {TEST_IMAGE}
    imagePullPolicy: Never
    command: [sh, -c, "mkdir /www && echo here > /www/index.html && exec httpd -f -p 80 -h /www"]
---
apiVersion: v1
kind: Pod
metadata: {{name: asker}}
spec:
  nodeName: f1
  containers: [{{name: asker, image: {TEST_IMAGE}, imagePullPolicy: Never, command: [sleep, "3600"]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, selector: {{app: web}}, ports: [{{port: 80, nodePort: {NODE_PORT}}}]}}
"""
# As the roles do where facts tell of SELinux, which no kernel here has.
LABELS = """
- hosts: all
  roles: [steersman]
  tasks:
    - ansible.builtin.include_role: {name: common, tasks_from: selinux}
"""
# Of container-selinux, which Debian has not; in the language of policies.
CONTAINER_TYPE = """
(type container_file_t)
(roletype object_r container_file_t)
(typeattributeset file_type (container_file_t))
"""
NO_LABELS = LABELS.replace("common", "steersman").replace("tasks_from: selinux", "tasks_from: unlabel")


@dataclass
class Walled:
    """A master that is a node too, and a second node."""

    site: Site
    machines: list[Machine]
    before: list[dict[str, set[str]]]

    @property
    def master(self) -> Machine:
        return self.machines[0]

    def fetch(self, machine: Machine, port: int) -> str:
        """What a host answers to someone outside; empty when nothing."""
        url = f"http://{machine.address}:{port}/"
        return machine.segment("curl", "-sf", "--noproxy", "*", "--max-time", "5", url, check=False).strip()

    def asked_by_pod(self, where: str) -> str:
        return self.master.try_it(f"{STEER} exec asker -- {FETCH} -O - {where}").stdout.strip()

    def address_of_web(self) -> str:
        found: str = json.loads(self.master(f"{STEER} get pod web -o json"))["status"].get("podIP", "")
        return found


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    if suite() not in ("", "bookworm"):
        pytest.skip("only the hosts of Debian 12 have firewalld and SELinux's tools")
    folder = tmp_path_factory.mktemp("walled")
    bundle = make_bundle(folder)
    with booted(folder, "f", NAMES) as machines:
        for machine in machines:
            machine("systemctl enable --now firewalld && systemctl restart docker")
            # Docker 20.10 forgets its rules of isolation when firewalld reads its own anew: before we come, not after.
            machine("firewall-cmd --reload")
            until(lambda m=machine: _docker_wrote_its_rules(m), limit_s=60, what="Docker's rules written again")
        before = [seen(machine) for machine in machines]
        for machine in machines:
            load_images(machine, [TEST_IMAGE])
        site = Site(folder, bundle, machines, {"master": NAMES[:1], "node": NAMES})
        yield Walled(site, machines, before)


def _docker_wrote_its_rules(machine: Machine) -> bool:
    return "-i docker0" in machine("iptables-save")


def test_a_cluster_is_set_up_behind_firewalls(walled: Walled) -> None:
    walled.site.play("site.yml")
    services = [set(one("firewall-cmd --list-services").split()) for one in walled.machines]
    assert [{name for name in found if "steersman" in name} for found in services] == [
        {"steersman-master", "steersman-node"}, {"steersman-node"},
    ]  # fmt: skip
    assert walled.master(f"{STEER} get nodes --no-headers").count(" Ready ") == len(NAMES)


def test_a_second_run_changes_nothing(walled: Walled) -> None:
    assert set(walled.site.play("site.yml").changed().values()) == {0}
    assert set(walled.site.play("site.yml", "--check", "--diff").changed().values()) == {0}


# Each playbook beside site.yml, as one calls it on hosts that are as they should be.
OTHERS = {
    "add-node.yml": ("-e", "node=f2"),
    "remove-node.yml": ("-e", "node=f2"),
    "upgrade.yml": (),
    "backup.yml": (),
    "uninstall.yml": ("-e", "steersman_uninstall_confirmed=true"),
}


@pytest.mark.parametrize("playbook", OTHERS)
def test_a_check_changes_nothing(walled: Walled, playbook: str) -> None:
    before = [seen(machine) for machine in walled.machines]
    walled.site.play(playbook, *OTHERS[playbook], "--check", "--diff")
    told = [
        difference
        for one, was in zip(walled.machines, before, strict=True)
        for difference in differences(was, seen(one))
    ]
    assert not told, "\n".join(told)
    assert walled.master(f"{STEER} get nodes --no-headers").count(" Ready ") == len(NAMES)


def test_a_node_that_is_there_is_not_added_again(walled: Walled) -> None:
    assert set(walled.site.play("add-node.yml", *OTHERS["add-node.yml"]).changed().values()) == {0}


def test_pods_are_reached_through_the_firewalls_of_two_hosts(walled: Walled) -> None:
    walled.master(f"{STEER} create -f - <<'END'\n{PODS}\nEND")
    for machine in walled.machines:
        until(
            lambda m=machine: walled.fetch(m, NODE_PORT) == "here", limit_s=60, what=f"the node port at {machine.name}"
        )
    until(lambda: walled.asked_by_pod("http://web/") == "here", limit_s=60, what="a name and a service for a pod")
    direct = f"http://{walled.address_of_web()}/"
    until(lambda: walled.asked_by_pod(direct) == "here", limit_s=60, what="a pod of the other host")


def test_what_no_service_names_stays_closed(walled: Walled) -> None:
    second = walled.machines[1]
    second(f"systemd-run --unit=open-door python3 -m http.server {CLOSED_PORT}")
    local = f"curl -sf --noproxy '*' http://127.0.0.1:{CLOSED_PORT}/"
    until(lambda: second.try_it(local).returncode == 0, limit_s=60, what="a server that listens everywhere")
    assert walled.fetch(second, CLOSED_PORT) == ""
    second("systemctl stop open-door")


def test_a_firewall_that_reads_its_rules_anew_closes_nothing(walled: Walled) -> None:
    for machine in walled.machines:
        machine("firewall-cmd --reload")
    for machine in walled.machines:
        until(lambda m=machine: walled.fetch(m, NODE_PORT) == "here", limit_s=60, what="the node port")
    until(lambda: walled.asked_by_pod("http://web/") == "here", limit_s=60, what="a service for a pod")


def test_a_firewalld_without_policies_is_told_of_redirected_ports(walled: Walled) -> None:
    """CentOS 7 has one; this one only stands in for it: its answer to the commands is what is seen."""
    old = '{"common_policies_dir": "/nowhere"}'
    assert walled.site.play("site.yml", "-e", old).changed() == {"f1": 2, "f2": 2}
    for machine in walled.machines:
        assert "ipv4 filter INPUT 0 -m conntrack --ctstate DNAT -j ACCEPT" in machine(
            "firewall-cmd --direct --get-all-rules"
        )
    assert walled.site.play("site.yml", "-e", old).changed() == {"f1": 0, "f2": 0}


def test_uninstall_leaves_the_firewall_as_it_was(walled: Walled) -> None:
    walled.site.play("uninstall.yml", "-e", "steersman_uninstall_confirmed=true")
    left = [
        f"{one.name}: {line}"
        for one, before in zip(walled.machines, walled.before, strict=True)
        for line in differences(before, seen(one))
    ]
    assert not left, "\n".join(left)


def test_what_is_gone_is_not_taken_away_again(walled: Walled) -> None:
    played = walled.site.play("uninstall.yml", "-e", "steersman_uninstall_confirmed=true")
    assert set(played.changed().values()) == {0}


def test_labels_are_named_to_selinux_once_and_taken_back(walled: Walled) -> None:
    machine = walled.master
    for name, text in (("labels", LABELS), ("no-labels", NO_LABELS)):
        (walled.site.folder / f"{name}.yml").write_text(text)
    labels, no_labels = (str(walled.site.folder / f"{name}.yml") for name in ("labels", "no-labels"))
    machine(f"cat > /root/container.cil <<'END'\n{CONTAINER_TYPE}END\nsemodule -i /root/container.cil", limit_s=600)
    packages = '{"steersman_platform": {"selinux_packages": ["policycoreutils-python-utils"]}}'
    assert walled.site.play(labels, "-l", "f1", "-e", packages).changed()["f1"] > 0
    for path, kind in (
        ("/opt/steersman/0.1.0/bin/steersman", "bin_t"),
        ("/opt/steersman/0.1.0/python/bin/python3.11", "bin_t"),
        ("/var/lib/steersman/agent/pods/1234/volumes", "container_file_t"),
    ):
        assert f":{kind}:" in machine(f"matchpathcon {path}")
    assert walled.site.play(labels, "-l", "f1", "-e", packages).changed() == {"f1": 0}
    assert walled.site.play(no_labels, "-l", "f1", "-e", packages).changed() == {"f1": 1}
    assert "steersman" not in machine("semanage fcontext --list --locallist")
