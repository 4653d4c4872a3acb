"""The ports that the proxy has for itself: of the kernel's choice, and never one that a service may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from netproxy.config import Config
from netproxy.main import cleanup
from netproxy.proxy import Proxy
from netproxy.services import Desired, PortName, Protocol, ServicePort
from netproxy.state import State
from netproxy.userspace import Userspace
from tests.netproxy.clusters import CIDR
from tests.netproxy.networks import site

pytestmark = pytest.mark.netns


def test_the_proxy_takes_no_node_port_for_itself(tmp_path: Path) -> None:
    """Also where the kernel's choice, or what the last start had, could be one."""
    some = ServicePort(name=PortName("a", "b", ""), protocol=Protocol.UDP, cluster_ip="10.99.7.7", port=53)
    last = State(refuse_port=30000, cluster_port=30001, services=((some, 30002),))
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    config = Config(cluster_cidr=CIDR, chain_prefix="STO", state_file=tmp_path / "state", node_port_range="30000-30015")
    with site() as place, place.node.inside():
        range_file.write_text("30000 30023\n")
        mode = Userspace(config, last)
        proxy = Proxy(config, mode, last, on_trouble=lambda _trouble: None, healthy=lambda: True)
        try:
            proxy.start()
            done = mode.apply(Desired(ports={some.name: some}))
        finally:
            proxy.stop()
            cleanup(config)
    assert {done.refuse_port, done.cluster_port, done.proxy_ports[some.name]} <= set(range(30016, 30024))
