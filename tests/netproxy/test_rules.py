"""The rules as text, without a kernel."""

from __future__ import annotations

from dataclasses import replace

from netproxy.portals.edits import Found, changes_text, find, removal_text, whole_text
from netproxy.portals.portal import portals
from netproxy.portals.rules import MAX_CHAIN_NAME, MAX_PREFIX, Layout, Ruleset, build, chains_of, overlap, runs
from netproxy.services import PortName, Protocol
from tests.netproxy.servers import port

WEB = replace(
    port(("10.244.0.2", 8080), node_port=30080, external_ips=("203.0.113.7",)), load_balancer_ips=("203.0.113.8",)
)
DNS = port(("10.244.0.3", 53), service="dns", protocol=Protocol.UDP, cluster_ip="10.99.0.11")
EMPTY = port(service="empty", cluster_ip="10.98.0.1", node_port=30081)

LAYOUT = Layout(prefix="STEER", cluster_cidr="10.99.0.0/16", refuse_port=40000)

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
-A STEER-PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 40001:40001 -j REDIRECT --to-ports 40000
-A STEER-PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 40003:40003 -j REDIRECT --to-ports 40000
-A STEER-PREROUTING -p udp -m addrtype --dst-type LOCAL -m udp --dport 40002:40002 -j REDIRECT --to-ports 40000
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
    layout = replace(LAYOUT, guarded={Protocol.TCP: (40001, 40003), Protocol.UDP: (40002,)})
    assert whole_text(build(shown, layout), [("OUTPUT", "STEER-OUTPUT")]) == GOLDEN


def test_a_node_port_that_is_not_held_is_not_redirected() -> None:
    (portal,) = portals({WEB.name: WEB}, {WEB.name: 40001}, {}, 40000)
    assert portal.node_port == 0


def test_a_strange_name_cannot_break_out_of_its_comment() -> None:
    odd = replace(DNS, name=PortName("x", 'a" -j ACCEPT\n-A INPUT', ""))
    shown = portals({odd.name: odd}, {odd.name: 40002}, {}, 40000)
    (rule,) = [r for r in build(shown, LAYOUT).rules if "x/a" in r]
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
    assert found == Found(
        frozenset({"STEER-OUTPUT"}), ("-A STEER-OUTPUT -j STEER-EXTERNAL",), ("-A OUTPUT -j STEER-OUTPUT",)
    )
    assert removal_text("STEER", found) == (
        "*nat\n:STEER-OUTPUT - [0:0]\n-D OUTPUT -j STEER-OUTPUT\n-X STEER-OUTPUT\nCOMMIT\n"
    )


def test_clients_near_are_led_to_another_port_and_others_by_range() -> None:
    portal = replace(
        portals({WEB.name: WEB}, {WEB.name: 40001}, {}, 40000)[0],
        cluster_ip="",
        external_ips=(),
        source_ranges=("198.51.100.0/24", "10.0.0.0/8"),
        near_port=40009,
    )
    rules = build([portal], replace(LAYOUT, pod_cidrs=("10.244.1.0/24",))).rules
    told = [rule for rule in rules if rule.startswith("-A STEER-EXTERNAL")]
    match = '-d 203.0.113.8/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http" -j REDIRECT --to-ports'
    assert told == [
        f"-A STEER-EXTERNAL {source}{match} {port}"
        for source, port in (
            ("-s 198.51.100.0/24 -m addrtype --src-type LOCAL ", 40009),
            ("-s 10.0.0.0/8 -m addrtype --src-type LOCAL ", 40009),
            ("-s 10.244.1.0/24 ", 40009),
            ("-s 198.51.100.0/24 ", 40001),
            ("-s 10.0.0.0/8 ", 40001),
            ("-s 203.0.113.8/32 ", 40009),
            ("", 40000),
        )
    ]


def test_ranges_overlap_in_the_smaller_one() -> None:
    assert overlap("10.0.0.0/8", "10.1.0.0/16") == overlap("10.1.0.0/16", "10.0.0.0/8") == "10.1.0.0/16"
    assert overlap("10.0.0.0/8", "192.168.0.0/16") == ""


def test_numbers_are_told_in_runs() -> None:
    assert runs([5, 1, 2, 3, 9, 2]) == [(1, 3), (5, 5), (9, 9)]


def chain_of(*rules: str) -> Ruleset:
    return Ruleset(chains=("S-CLUSTER",), rules=tuple(f"-A S-CLUSTER {rule}" for rule in rules), jumps=())


def test_only_the_rules_that_changed_are_told() -> None:
    old = chain_of("a", "b", "c", "d", "e", "f", "g", "h", "end")
    new = chain_of("a", "c", "d", "x", "e", "f", "h", "y", "end")
    assert changes_text(old, new) == (
        "*nat\n-D S-CLUSTER 7\n-D S-CLUSTER 2\n-I S-CLUSTER 4 x\n-I S-CLUSTER 8 y\nCOMMIT\n"
    )
    assert changes_text(old, old) == "*nat\nCOMMIT\n"


def test_rules_in_another_order_or_mostly_new_are_written_whole() -> None:
    old = chain_of("a", "b", "c", "d")
    assert changes_text(old, chain_of("b", "a", "c", "d")) is None
    assert changes_text(old, chain_of("e", "f", "g", "d")) is None
    assert changes_text(old, chain_of("a", "a", "c", "d")) is None
