"""Podman keeps bridges apart with rules that outlast their network; ours go with the cluster, others stay."""

import os
import sys
from collections.abc import Iterator

import pytest

from tests.hosts.namespaces import ROOT, Space

pytestmark = pytest.mark.netns

_CLEAN = "from agent.network import traces; print(traces.seen('c', 'ours0'), traces.cleanup('c', 'ours0'))"
_NOTE = ("-m", "comment", "--comment", "CNI firewall plugin rules (ingressPolicy: same-bridge)")


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space(f"st-podman-{os.getpid()}")
    made.make()
    try:
        yield made
    finally:
        made.remove()


def test_rules_for_our_bridge_go(space: Space) -> None:
    first, second = "CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2"
    for name in (first, second, "CNI-MINE"):
        space("iptables", "-N", name)
    for bridge in ("ours0", "ours01"):
        space("iptables", "-A", first, "-i", bridge, "!", "-o", bridge, *_NOTE, "-j", second)
        space("iptables", "-A", second, "-o", bridge, *_NOTE, "-j", "DROP")
    space("iptables", "-A", "CNI-MINE", "-o", "ours0", "-j", "DROP")
    told = space("env", f"--chdir={ROOT}", sys.executable, "-c", _CLEAN)
    assert told.strip() == "['2 rules of Podman for ours0'] ['2 rules of Podman for ours0 removed']"
    left = space("iptables", "-S")
    assert left.count(" ours01 ") == 3
    assert [line for line in left.splitlines() if " ours0 " in line] == ["-A CNI-MINE -o ours0 -j DROP"]
    assert space("env", f"--chdir={ROOT}", sys.executable, "-c", _CLEAN).strip() == "[] []"
