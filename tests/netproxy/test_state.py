"""What one proxy leaves for the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from netproxy.state import State, StateFile
from tests.netproxy.servers import port


def test_the_state_file_gives_back_what_was_written(tmp_path: Path) -> None:
    one = port(("10.0.0.1", 80), affinity_s=5, node_port=30080, external_ips=("203.0.113.7",))
    state = State.of({one.name: one}, {one.name: 40001}, 40000)
    StateFile(tmp_path / "deep" / "state.json").write(state)
    read = StateFile(tmp_path / "deep" / "state.json").read()
    assert read == state
    assert (read.wanted, read.proxy_ports) == ({one.name: one}, {one.name: 40001})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"refuse_port": "x"}', b"\xff\x00"])
def test_a_damaged_state_file_is_the_same_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    assert StateFile(path).read() == State()
