"""site.yml and the others over real ssh, on hosts with systemd and Docker: from nothing to a cluster and back."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Cluster
from tests.cluster.load import Load
from tests.cluster.machines import ROOT, Machine, run
from tests.cluster.traces import differences, seen
from tests.e2e import guestbook as book
from tests.e2e.waiting import until

pytestmark = [pytest.mark.hosts, pytest.mark.long, pytest.mark.timeout(3600)]

BOOK_PORT = int(book.EXAMPLE_NODE_PORT)
WEB_PORT = 30080
# Without a state of its own, so that each of its pods can serve alone while the others move.
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 10
      topologySpreadConstraints:
      - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
         labelSelector: {{matchLabels: {{app: web}}}}}}
      containers:
      - name: web
        image: {book.TEST_IMAGE}
        imagePullPolicy: Never
        command: [sh, -c, "mkdir /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www"]
        readinessProbe: {{httpGet: {{path: /, port: 80}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{exec: {{command: [sleep, "3"]}}}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 2, selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, selector: {{app: web}}, ports: [{{port: 80, nodePort: {WEB_PORT}}}]}}
"""


def is_served(cluster: Cluster, machine: Machine) -> bool:
    return cluster.fetch(machine, BOOK_PORT, "/healthz") != ""


def test_the_site_is_set_up(cluster: Cluster) -> None:
    cluster.site.play("site.yml")
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]


def test_every_host_says_that_it_runs(cluster: Cluster) -> None:
    for machine in cluster.members:
        assert machine.try_it("systemctl is-system-running --wait").stdout.strip() == "running", machine(
            "systemctl --failed"
        )


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    assert cluster.site.play("site.yml").changed() == {"n1": 0, "n2": 0, "n3": 0}


def test_a_check_tells_of_no_difference(cluster: Cluster) -> None:
    assert cluster.site.play("site.yml", "--check", "--diff").changed() == {"n1": 0, "n2": 0, "n3": 0}


def test_a_check_shows_what_a_changed_variable_would_change(cluster: Cluster) -> None:
    more = '{"steersman_settings": {"agent": {"max-pods": 50}}}'
    played = cluster.site.play("site.yml", "--check", "--diff", "-e", more)
    assert "+max-pods: 50" in played.output
    assert "max-pods" not in cluster.master("cat /etc/steersman/agent.yaml")


def test_the_guestbook_serves_at_every_host(cluster: Cluster) -> None:
    cluster.create(book.MANIFEST.read_text(encoding="utf-8"))
    for machine in cluster.members:
        until(lambda machine=machine: is_served(cluster, machine), limit_s=60, what=f"the guestbook at {machine.name}")


def test_a_node_that_boots_again_comes_back_by_itself(cluster: Cluster) -> None:
    machine = cluster.machine("n3")
    machine.reboot()
    until(lambda: "n3" in cluster.ready_nodes(), limit_s=90, what="n3 Ready")
    until(lambda: is_served(cluster, machine), limit_s=60, what="the guestbook at n3")
    assert machine.try_it("systemctl is-system-running --wait").stdout.strip() == "running"


def test_the_master_that_boots_again_keeps_what_it_knew(cluster: Cluster) -> None:
    cluster.master.reboot()
    until(lambda: cluster.ready_nodes() == ["n1", "n2", "n3"], limit_s=90, what="all nodes Ready")
    assert {one["metadata"]["name"] for one in cluster.get("services")["items"]} >= {"frontend", "redis-master"}


def test_a_node_is_added(cluster: Cluster) -> None:
    cluster.site.groups["node"] = ["n1", "n2", "n3", "n4"]
    cluster.site.play("add-node.yml", "-e", "node=n4")
    assert cluster.ready_nodes() == ["n1", "n2", "n3", "n4"]
    until(lambda: is_served(cluster, cluster.machine("n4")), limit_s=60, what="the guestbook at n4")


def test_a_removed_node_hands_its_pods_over_and_keeps_nothing(cluster: Cluster) -> None:
    cluster.site.play("remove-node.yml", "-e", "node=n4")
    cluster.site.groups["node"] = ["n1", "n2", "n3"]
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]
    assert not [pod for pod in cluster.get("pods")["items"] if pod["spec"].get("nodeName") == "n4"]
    left = differences(cluster.before["n4"], seen(cluster.machine("n4")))
    assert not left, "\n".join(left)


def test_a_master_is_not_removed_as_a_node(cluster: Cluster) -> None:
    played = cluster.site.try_to_play("remove-node.yml", "-e", "node=n1")
    assert played.code != 0
    assert "n1 is a master or keeps the state" in played.output
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]


def test_an_upgrade_that_fails_stops_at_the_first_node(cluster: Cluster) -> None:
    old, cluster.site.bundle = cluster.site.bundle, cluster.new_bundle
    wrong = '{"steersman_settings": {"agent": {"max-pods": "many"}}}'
    played = cluster.site.try_to_play("upgrade.yml", "-e", wrong)
    assert played.code != 0
    assert "max-pods: must be a whole number" in played.output
    before = old.name.removeprefix("steersman-bundle-").removesuffix(".tar.gz")
    for name in ("n2", "n3"):
        assert cluster.machine(name)("readlink /opt/steersman/current").strip() == before
    cordoned = [one["metadata"]["name"] for one in cluster.get("nodes")["items"] if one["spec"].get("unschedulable")]
    assert cordoned == ["n1"]
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]


def test_an_upgrade_fails_no_request(cluster: Cluster) -> None:
    cluster.create(WEB)
    for machine in cluster.members:
        until(lambda machine=machine: cluster.fetch(machine, WEB_PORT) != "", limit_s=60, what=f"web at {machine.name}")
    cluster.site.bundle = cluster.new_bundle
    load = Load(cluster.master.segment.name, [one.address for one in cluster.members], WEB_PORT)
    load.start()
    try:
        cluster.site.play("upgrade.yml")
    finally:
        load.stop()
    print(f"{load.asked} requests, {load.passed_over} times a host was passed over")
    assert load.asked > 100
    assert load.failed + load.cut == []
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]
    nodes = cluster.get("nodes")["items"]
    assert not any(one["spec"].get("unschedulable") for one in nodes)
    version = cluster.new_bundle.name.removeprefix("steersman-bundle-").removesuffix(".tar.gz")
    for machine in cluster.members:
        assert machine("readlink /opt/steersman/current").strip() == version
        mapped = machine("cat /proc/$(systemctl show -p MainPID --value steersman-agent)/maps")
        assert f"/opt/steersman/{version}/" in mapped


def test_an_upgrade_that_is_done_does_nothing_but_a_backup(cluster: Cluster) -> None:
    played = cluster.site.play("upgrade.yml")
    assert "Drain the node" not in played.output.replace("Move its pods", "")
    assert len(list((cluster.site.folder / "backups").glob("*.state.snapshot"))) == 3


def test_a_backup_is_private_and_whole(cluster: Cluster) -> None:
    folder = cluster.site.folder / "backups"
    files = sorted(folder.iterdir())
    assert [one for one in (folder, *files) if one.stat().st_mode & 0o077] == []
    for one in files:
        if one.name.endswith(".state.snapshot"):
            assert "sqlite" in run(ROOT / ".venv/bin/steersman", "snapshot", "inspect", one)
        else:
            assert "etc/steersman/pki/ca.key" in run("tar", "-tzf", one)


def test_uninstall_asks_for_a_second_thought(cluster: Cluster) -> None:
    played = cluster.site.try_to_play("uninstall.yml")
    assert played.code != 0
    assert cluster.ready_nodes() == ["n1", "n2", "n3"]


def test_uninstall_leaves_nothing(cluster: Cluster) -> None:
    cluster.site.play("uninstall.yml", "-e", "steersman_uninstall_confirmed=true")
    left = [
        f"{one.name}: {line}" for one in cluster.members for line in differences(cluster.before[one.name], seen(one))
    ]
    assert not left, "\n".join(left)
