"""What the agent tells of volumes, of its certificates and of its manifests, where faults must be controlled."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from agent.instruments import Instruments
from agent.metrics import Certificate, CertificateCollector, exposition
from agent.pods.claims import Claimed
from agent.pods.manifests import ManifestFolder
from agent.pods.sources import Sources
from agent.volumes import VolumeError, prepare_volumes
from agent.volumes.stats import VolumeStats
from api.core.volume import HostPathVolumeSource, NFSVolumeSource
from tests.agent.facts import pod

CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
LABELS = {"namespace": "ns", "persistentvolumeclaim": "data"}


def shown(registry: CollectorRegistry, name: str, labels: dict[str, str] | None = None) -> float | None:
    return registry.get_sample_value(name, labels or {})


def stats(claimed: Claimed, directory: Path) -> CollectorRegistry:
    registry, one = CollectorRegistry(), pod(volumes=[CLAIM])
    registry.register(VolumeStats(lambda: [one, one], lambda _: {"data": claimed}, lambda uid: directory / uid))
    return registry


def test_the_volume_of_a_claim_is_as_full_as_its_file_system_says(tmp_path: Path) -> None:
    registry = stats(Claimed(volume="pv", host_path=HostPathVolumeSource(path=str(tmp_path))), tmp_path)
    told = {
        name: shown(registry, f"kubelet_volume_stats_{name}", LABELS)
        for name in ("capacity_bytes", "inodes", "inodes_free", "inodes_used")
    }
    room = os.statvfs(tmp_path)
    assert told["capacity_bytes"] == room.f_blocks * room.f_frsize
    assert told["inodes"] == room.f_files
    assert told["inodes_free"] + told["inodes_used"] == room.f_files  # type: ignore[operator]
    used = shown(registry, "kubelet_volume_stats_used_bytes", LABELS)
    available = shown(registry, "kubelet_volume_stats_available_bytes", LABELS)
    assert used is not None
    assert available is not None
    assert 0 < used + available <= room.f_blocks * room.f_frsize


def test_a_file_server_that_is_away_holds_up_one_scrape_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, back = [], threading.Event()

    def hang(path: str) -> None:
        asked.append(path)
        back.wait(30)

    place = tmp_path / "uid-1/volumes/kubernetes.io~nfs/pv"
    monkeypatch.setattr("agent.volumes.stats.room_of", hang)
    monkeypatch.setattr("agent.volumes.stats._PATIENCE_S", 0.05)
    monkeypatch.setattr("agent.volumes.stats.mount_points", lambda: {str(place): "nfs4"})
    registry = stats(Claimed(volume="pv", kind="nfs", nfs=NFSVolumeSource(server="s", path="/")), tmp_path)
    try:
        for _ in range(3):
            assert shown(registry, "kubelet_volume_stats_capacity_bytes", LABELS) is None
        assert asked == [str(place)]
    finally:
        back.set()


def test_a_share_that_is_not_mounted_is_not_the_disk_of_the_node(tmp_path: Path) -> None:
    registry = stats(Claimed(volume="pv", kind="nfs", nfs=NFSVolumeSource(server="s", path="/")), tmp_path)
    assert shown(registry, "kubelet_volume_stats_capacity_bytes", LABELS) is None


def test_volumes_that_are_made_or_not_are_counted_by_their_plugin(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    volumes: list[dict[str, Any]] = [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "gone"}}]
    facts = Sources(services=(), host_ip="", pod_ip="", machine_cpu_millis=1, machine_memory_bytes=1)
    with pytest.raises(VolumeError):
        prepare_volumes(pod(volumes=volumes), tmp_path, facts, instruments.volume_made)
    operation = {"operation_name": "volume_mount", "migrated": "false"}
    for plugin, status in (("empty-dir", "success"), ("secret", "fail-unknown")):
        labels = operation | {"volume_plugin": f"kubernetes.io/{plugin}", "status": status}
        assert shown(registry, "storage_operation_duration_seconds_count", labels) == 1
    labels = {"operation_name": "volume_mount", "volume_plugin": "kubernetes.io/secret"}
    assert shown(registry, "storage_operation_errors_total", labels) == 1


def test_what_is_unmounted_is_counted_when_it_is_a_volume(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    instruments.volume_unmounted("kubernetes.io~secret", 0.01, True)
    instruments.volume_unmounted("a-pods-uid", 0.01, True)
    (family,) = [one for one in registry.collect() if one.name == "storage_operation_duration_seconds"]
    counts = [one for one in family.samples if one.name.endswith("_count")]
    assert [one.labels["operation_name"] for one in counts] == ["volume_unmount"]


def test_counters_with_names_of_old_are_counters() -> None:
    registry = CollectorRegistry()
    bad = Certificate(pem=lambda: b"", failures=lambda: 2)
    registry.register(CertificateCollector(bad, bad))
    text = exposition(registry).decode()
    assert "# TYPE kubelet_server_expiration_renew_errors counter\nkubelet_server_expiration_renew_errors 2.0\n" in text
    assert "\nkubelet_certificate_manager_client_ttl_seconds +Inf\n" in text


def test_a_manifest_that_is_refused_is_told_until_it_is_mended_or_gone(tmp_path: Path) -> None:
    folder = ManifestFolder(tmp_path, node="n1", look_s=60, on_pods=lambda _: None)
    good = b"kind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c, image: i}]}"
    told = []
    for content in (b"{", good, b"{}", None):
        (tmp_path / "a.yaml").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "a.yaml").write_bytes(content)
        folder.look()
        told.append(folder.refused)
    assert told == [True, False, True, False]
