"""The rules as text, without a kernel."""

from __future__ import annotations

from dataclasses import replace

from netproxy.portals.rules import (
    MAX_CHAIN_NAME,
    MAX_PREFIX,
    Found,
    build,
    chains_of,
    find,
    portals,
    removal_text,
    restore_text,
)
from netproxy.services import PortName, Protocol
from tests.netproxy.servers import port

WEB = replace(
    port(("10.244.0.2", 8080), node_port=30080, external_ips=("203.0.113.7",)), load_balancer_ips=("203.0.113.8",)
)
DNS = port(("10.244.0.3", 53), service="dns", protocol=Protocol.UDP, cluster_ip="10.99.0.11")
EMPTY = port(service="empty", cluster_ip="10.98.0.1", node_port=30081)

GOLDEN = """\
*nat
:STEER-PREROUTING - [0:0]
:STEER-OUTPUT - [0:0]
:STEER-CLUSTER - [0:0]
:STEER-EXTERNAL - [0:0]
:STEER-NODEPORT - [0:0]
-I OUTPUT 1 -j STEER-OUTPUT
-A STEER-PREROUTING -d 10.99.0.0/16 -j STEER-CLUSTER
-A STEER-PREROUTING -j STEER-EXTERNAL
-A STEER-PREROUTING -m addrtype --dst-type LOCAL -j STEER-NODEPORT
-A STEER-OUTPUT -d 10.99.0.0/16 -j STEER-CLUSTER
-A STEER-OUTPUT -j STEER-EXTERNAL
-A STEER-OUTPUT -m addrtype --dst-type LOCAL -j STEER-NODEPORT
-A STEER-CLUSTER -d 10.99.0.11/32 -p udp -m udp --dport 80 -m comment --comment "default/dns:http" -j REDIRECT --to-ports 40002
-A STEER-CLUSTER -d 10.99.0.10/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http" -j REDIRECT --to-ports 40001
-A STEER-CLUSTER -p tcp -j REDIRECT --to-ports 40000
-A STEER-CLUSTER -p udp -j REDIRECT --to-ports 40000
-A STEER-EXTERNAL -d 10.98.0.1/32 -p tcp -m tcp --dport 80 -m comment --comment "default/empty:http" -j REDIRECT --to-ports 40000
-A STEER-EXTERNAL -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http" -j REDIRECT --to-ports 40001
-A STEER-EXTERNAL -d 203.0.113.8/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http" -j REDIRECT --to-ports 40001
-A STEER-NODEPORT -p tcp -m tcp --dport 30080 -m comment --comment "default/web:http" -j REDIRECT --to-ports 40001
COMMIT
"""  # noqa: E501 (rules are written on one line)


def test_the_rules_of_three_services_are_these() -> None:
    wanted = {p.name: p for p in (WEB, DNS, EMPTY)}
    proxy_ports = {WEB.name: 40001, DNS.name: 40002, EMPTY.name: 40003}
    shown = portals(wanted, proxy_ports, {WEB.name: 30080}, 40000)
    ruleset = build(shown, prefix="STEER", cluster_cidr="10.99.0.0/16", refuse_port=40000)
    assert restore_text(ruleset, [("OUTPUT", "STEER-OUTPUT")]) == GOLDEN


def test_a_node_port_that_is_not_held_is_not_redirected() -> None:
    (portal,) = portals({WEB.name: WEB}, {WEB.name: 40001}, {}, 40000)
    assert portal.node_port == 0


def test_a_strange_name_cannot_break_out_of_its_comment() -> None:
    odd = replace(DNS, name=PortName("x", 'a" -j ACCEPT\n-A INPUT', ""))
    shown = portals({odd.name: odd}, {odd.name: 40002}, {}, 40000)
    (rule,) = [r for r in build(shown, prefix="S", cluster_cidr="10.99.0.0/16", refuse_port=1).rules if "x/a" in r]
    assert '--comment "x/a__-j_ACCEPT_-A_INPUT:"' in rule


def test_the_longest_prefix_fits_the_kernel() -> None:
    assert max(map(len, chains_of("x" * MAX_PREFIX))) == MAX_CHAIN_NAME


def test_only_our_part_is_found_and_removed() -> None:
    saved = """\
*nat
:PREROUTING ACCEPT [3:4]
:STEER-OUTPUT - [0:0]
:STEER-B-OUTPUT - [0:0]
-A PREROUTING -j DOCKER
-A OUTPUT -j STEER-B-OUTPUT
-A OUTPUT -j STEER-OUTPUT
-A STEER-OUTPUT -j STEER-EXTERNAL
COMMIT
"""
    found = find(saved, "STEER")
    assert found == Found(("STEER-OUTPUT",), ("-A STEER-OUTPUT -j STEER-EXTERNAL",), ("-A OUTPUT -j STEER-OUTPUT",))
    assert removal_text("STEER", found.jumps, found.chains) == (
        "*nat\n:STEER-OUTPUT - [0:0]\n-D OUTPUT -j STEER-OUTPUT\n-X STEER-OUTPUT\nCOMMIT\n"
    )
