"""Nodes, purely: ranges of addresses, heartbeats, conditions of a silent node; and the settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.controllers.config import Config
from master.controllers.heartbeats import Heartbeats, unknown_conditions
from master.controllers.noderanges import free_range
from master.controllers.ownership import controller_of, reference
from tests.controllers.made import controller, node, pod


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], "10.244.0.0/24"),
        (["10.244.0.0/24"], "10.244.1.0/24"),
        (["10.244.1.0/24"], "10.244.0.0/24"),
        (["10.244.0.0/24", "10.244.1.0/24"], "10.244.2.0/24"),
        (["10.244.0.0/22"], "10.244.4.0/24"),
        (["10.244.0.128/25"], "10.244.1.0/24"),
        (["192.168.0.0/16", "fd00::/64"], "10.244.0.0/24"),
        (["10.244.0.7/24"], "10.244.1.0/24"),
        (["nonsense", ""], "10.244.0.0/24"),
        (["10.244.0.0/16"], None),
    ],
)
def test_the_first_free_range_is_given(taken: list[str], free: str | None) -> None:
    assert free_range("10.244.0.0/16", 24, taken) == free


@given(st.integers(1, 16))
def test_ranges_are_given_until_none_is_left(count: int) -> None:
    given_out: list[str] = []
    for _ in range(count):
        cidr = free_range("10.0.0.0/20", 24, given_out)
        assert cidr is not None
        given_out.append(cidr)
    assert len(set(given_out)) == count
    assert (free_range("10.0.0.0/20", 24, given_out) is None) is (count == 16)


def test_silence_is_counted_from_the_moment_a_sign_was_first_seen() -> None:
    now_s = 100.0
    heartbeats = Heartbeats(lambda: now_s)
    assert heartbeats.silence_s("a", 1) == 0
    now_s += 30
    assert heartbeats.silence_s("a", 1) == 30
    assert heartbeats.silence_s("b", 1) == 0, "each node has its own"
    assert heartbeats.silence_s("a", 2) == 0, "a new sign"
    now_s += 5
    heartbeats.keep_only(["a"])
    assert heartbeats.silence_s("a", 2) == 5
    assert heartbeats.silence_s("b", 1) == 0, "it was forgotten"
    now_s += 5
    heartbeats.forget()
    assert heartbeats.silence_s("a", 2) == 0


def test_a_silent_nodes_conditions_become_unknown() -> None:
    told = {item.type: item for item in unknown_conditions(node())}
    assert list(told) == ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]
    assert {item.status for item in told.values()} == {"Unknown"}
    assert (told["Ready"].reason, told["Ready"].message) == (
        "NodeStatusUnknown",
        "Kubelet stopped posting node status.",
    )
    assert told["Ready"].last_heartbeat_time is not None
    assert (told["DiskPressure"].reason, told["DiskPressure"].message) == (
        "NodeStatusNeverUpdated",
        "Kubelet never posted node status.",
    )


def test_what_is_unknown_already_is_not_told_again() -> None:
    assert "Ready" not in [item.type for item in unknown_conditions(node(ready="Unknown"))]


def test_a_reference_names_its_owner() -> None:
    owner = controller()
    owner.metadata.uid = "7"
    made = reference(owner)
    assert (made.api_version, made.kind, made.name, made.uid, made.controller) == (
        "v1",
        "ReplicationController",
        "web",
        "7",
        True,
    )
    child = pod()
    assert controller_of(child) is None
    child.metadata.owner_references = [reference(owner, controller=False), made]
    assert controller_of(child) is made


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, ""),
        ({"cluster_cidr": "10.244.0.0/33"}, "cluster-cidr: "),
        ({"cluster_cidr": "10.244.0.1/16"}, "cluster-cidr: "),
        ({"node_cidr_mask_size": 8}, "node-cidr-mask-size: must be from 16 (cluster-cidr) to 30"),
        ({"node_monitor_period_s": 0}, "node-monitor-period-s: must be greater than 0"),
        ({"node_monitor_grace_period_s": 1}, "node-monitor-grace-period-s: must be greater than node-monitor-period-s"),
        ({"node_eviction_rate": -1}, "node-eviction-rate: must not be negative"),
        ({"unhealthy_zone_threshold": 0}, "unhealthy-zone-threshold: must be greater than 0 and at most 1"),
        ({"terminated_pod_gc_threshold": -1}, "terminated-pod-gc-threshold: must not be negative"),
        ({"concurrent_syncs": 0}, "concurrent-syncs: must be at least 1"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, object], problem: str) -> None:
    problems = Config(kubeconfig=Path("/x"), **settings).check()  # type: ignore[arg-type]
    assert [said.startswith(problem) for said in problems] == ([True] if problem else [])
