"""What one proxy leaves for the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from netproxy.services import Desired, HealthCheck
from netproxy.state import State, StateFile, read_state
from tests.netproxy.servers import port


def test_the_state_file_gives_back_what_was_written(tmp_path: Path) -> None:
    one = port(("10.0.0.1", 80), affinity_s=5, node_port=30080, external_ips=("203.0.113.7",))
    check = HealthCheck(namespace="default", service="web", port=32000, local_endpoints=1)
    desired = Desired(ports={one.name: one}, health_checks=(check,), pod_cidrs=("10.244.0.0/24",))
    state = State.of(desired, {one.name: 40001}, refuse_port=40000, cluster_port=40002)
    StateFile(tmp_path / "deep" / "state.json", State()).write(state)
    read = read_state(tmp_path / "deep" / "state.json")
    assert read == state
    assert (read.desired, read.proxy_ports) == (desired, {one.name: 40001})


def test_a_state_file_of_before_there_were_scopes_is_read(tmp_path: Path) -> None:
    content = b"""{"refuse_port": 40000, "services": [[{"name": ["default", "web", ""], "protocol": "TCP",
        "cluster_ip": "10.96.0.9", "port": 80, "endpoints": [["10.244.0.2", 80]]}, 40001]]}"""
    (tmp_path / "state.json").write_bytes(content)
    (one,) = read_state(tmp_path / "state.json").desired.ports.values()
    assert (str(one.name), one.endpoints) == ("default/web:", (("10.244.0.2", 80),))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"refuse_port": "x"}', b"\xff\x00"])
def test_a_damaged_state_file_is_the_same_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert read_state(path) == State()
