"""Three masters over an etcd of three members, each on a host of its own; then one host is gone, and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import STEER
from tests.cluster.machines import Machine, booted
from tests.cluster.playbooks import Site, make_bundle
from tests.e2e.waiting import until

pytestmark = [pytest.mark.hosts, pytest.mark.long, pytest.mark.timeout(3600)]

NAMES = ("m1", "m2", "m3")
# Of the image that each agent makes for itself.
POD = """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "meanwhile"}, "spec": {"containers": [
  {"name": "main", "image": "steersman/pause:1", "imagePullPolicy": "Never"}]}}"""


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    folder = tmp_path_factory.mktemp("masters")
    bundle = make_bundle(folder)
    with booted(folder, "m", NAMES) as machines:
        site = Site(folder, bundle, machines, {"master": NAMES, "etcd": NAMES, "node": NAMES[2:]})
        site.play("site.yml")
        assert set(site.play("site.yml").changed().values()) == {0}
        yield machines


def map_seen_by(machine: Machine, name: str) -> bool:
    return machine.try_it(f"{STEER} get configmap {name}").returncode == 0


def pod_seen_by(machine: Machine) -> str:
    return machine.try_it(f"{STEER} get pod meanwhile --no-headers").stdout


def test_what_one_master_takes_all_of_them_know(masters: list[Machine]) -> None:
    for writer in masters:
        manifest = f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "of-{writer.name}"}}}}'
        writer(f"echo '{manifest}' | {STEER} create -f -")
        for reader in masters:
            until(lambda r=reader, w=writer: map_seen_by(r, f"of-{w.name}"), limit_s=60, what=f"{reader.name} knows")


def test_one_authority_signs_for_all(masters: list[Machine]) -> None:
    assert len({one("sha256sum < /etc/steersman/pki/ca.crt") for one in masters}) == 1
    assert len({one("sha256sum < /etc/steersman/pki/apiserver.crt") for one in masters}) == len(masters)


def test_masters_and_nodes_go_on_without_the_first_and_it_learns_what_it_missed(masters: list[Machine]) -> None:
    first, second, third = masters
    first.stop()
    manifest = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "meanwhile"}}'
    until(
        lambda: second.try_it(f"echo '{manifest}' | {STEER} apply -f -").returncode == 0,
        limit_s=60,
        what="a write at the second master",
    )
    until(lambda: map_seen_by(third, "meanwhile"), limit_s=60, what="the third master knows")
    second(f"echo '{POD}' | {STEER} create -f -")
    until(lambda: " Running " in pod_seen_by(second), limit_s=120, what="a node that has found another master")
    first.boot()
    until(lambda: map_seen_by(first, "meanwhile"), limit_s=90, what="the first master knows")
