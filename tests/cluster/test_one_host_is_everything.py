"""One host in every group: master, node, the etcd that keeps the state, and Prometheus."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import STEER
from tests.cluster.machines import ROOT, Machine, Segment, make_machines, run
from tests.cluster.playbooks import Site, control_folder
from tests.cluster.traces import differences, seen
from tests.e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(1200)]

ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints https://{address}:2379 --cacert /etc/steersman/pki/etcd-ca.crt"
    " --cert /etc/steersman/pki/apiserver-etcd-client.crt --key /etc/steersman/pki/apiserver-etcd-client.key"
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Machine, dict[str, set[str]]]]:
    folder = tmp_path_factory.mktemp("alone")
    run(ROOT / "scripts/bundle", "--output", folder, limit_s=600)
    (bundle,) = folder.glob("*.tar.gz")
    segment = Segment(f"sta{os.getpid()}", f"198.19.{os.getpid() % 200 + 20}")
    (machine,) = make_machines(folder, ["all-in-one"], segment)
    try:
        segment.make()
        machine.make()
        machine.boot()
        groups = {name: [machine.name] for name in ("master", "node", "etcd", "monitoring")}
        yield Site(folder, bundle, [machine], groups), machine, seen(machine)
    finally:
        machine.remove()
        segment.remove()
        shutil.rmtree(control_folder(machine), ignore_errors=True)


def targets(machine: Machine) -> dict[str, str]:
    """Job to its health, as Prometheus has it."""
    done = machine.try_it("curl -sf http://127.0.0.1:9090/api/v1/targets")
    if done.returncode != 0:
        return {}
    active = json.loads(done.stdout)["data"]["activeTargets"]
    return {one["labels"]["job"]: one["health"] for one in active}


def test_everything_is_set_up_on_one_host(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, _ = alone
    site.play("site.yml", "-e", "steersman_scrape_interval=2s")
    assert " Ready " in machine(f"{STEER} get nodes --no-headers")
    assert machine.try_it("systemctl is-system-running --wait").stdout.strip() == "running"


def test_the_state_is_in_etcd_which_asks_for_a_certificate(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    _, machine, _ = alone
    keys = machine(ETCDCTL.format(address=machine.address) + " get /registry --prefix --keys-only")
    assert "all-in-one" in keys
    assert not machine("find /var/lib/steersman -name state.db").strip()
    assert machine.try_it(f"curl -skf https://{machine.address}:2379/v2/keys").returncode != 0


def test_prometheus_reads_every_part(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    _, machine, _ = alone
    wanted = {f"steersman-{name}": "up" for name in ("apiserver", "cadvisor", "netproxy")}
    until(lambda: targets(machine) == wanted, limit_s=60, what=f"all targets up, {targets(machine)}")


def test_a_second_run_changes_nothing(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, _ = alone
    assert site.play("site.yml", "-e", "steersman_scrape_interval=2s").changed() == {machine.name: 0}


def test_a_backup_of_etcds_state_is_taken(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, _, _ = alone
    site.play("backup.yml")
    (snapshot,) = (site.folder / "backups").glob("*.state.snapshot")
    inspected = run(ROOT / ".venv/bin/steersman", "snapshot", "inspect", snapshot)
    assert "etcd" in inspected


def test_uninstall_leaves_nothing_but_the_packages(alone: tuple[Site, Machine, dict[str, set[str]]]) -> None:
    site, machine, before = alone
    site.play("uninstall.yml", "-e", "steersman_uninstall_confirmed=true")
    left = differences(before, seen(machine))
    assert not left, "\n".join(left)
