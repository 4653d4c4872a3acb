"""Each check by recorded facts: what is well, what is not, and that there is always something to do next."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.cluster import PORT_FIELDS, Settings, complete
from cli.components import COMPONENTS
from cli.doctor import (
    certificates,
    cgroups,
    clock,
    dockerd,
    firewall,
    flavours,
    kernel,
    master,
    ports,
    ranges,
    resolver,
    storage,
)
from cli.doctor.certificates import Certificate
from cli.doctor.cgroups import Cgroups
from cli.doctor.checks import CHECKS
from cli.doctor.dockerd import Daemon
from cli.doctor.finding import Check, Finding, Level
from cli.doctor.firewall import BaseChain, Firewall
from cli.doctor.flavours import Flavours
from cli.doctor.kernel import NEEDS, Connections, Forwarding, ReversePath
from cli.doctor.main import as_table
from cli.doctor.master import ApiServer
from cli.doctor.ports import Listener, Listeners
from cli.doctor.ranges import Route
from cli.doctor.storage import Disk
from cli.settings import settings_of

S = Settings()


def told(findings: Sequence[Finding]) -> str:
    """The levels and messages in one text; whatever is not well has advice, whatever is has none."""
    assert findings
    for finding in findings:
        assert bool(finding.advice) == (finding.level is not Level.OK), finding
    return "\n".join(f"{finding.level}: {finding.message}" for finding in findings)


def test_features_that_lack_fail_only_where_nothing_goes_without() -> None:
    whole = {need.name: "" for need in NEEDS}
    assert told(kernel.features(S, whole)).startswith("ok: bridge, veth")
    assert told(kernel.features(S, {**whole, "veth": "Operation not supported"})).startswith("fail: no veth")
    assert told(kernel.features(S, {**whole, "dummy": "not supported"})) == (
        "warn: no dummy (the name server's address): not supported"
    )


def test_forwarding() -> None:
    assert told(kernel.forwarding(S, Forwarding(True))) == "ok: on"
    assert told(kernel.forwarding(S, Forwarding(False))).startswith("fail: off")
    assert told(kernel.forwarding(S, Forwarding(True, ("eth1",)))) == "fail: off at eth1"


@pytest.mark.parametrize(
    ("count", "told_so"),
    [
        (79, "ok: 79 of 100 in the kernel's table"),
        (80, "warn: 80 of 100 in the kernel's table"),
        (95, "fail: 95 of 100 in the kernel's table: packets of new ones are dropped when it is full"),
    ],
)
def test_a_table_of_connections_that_fills(count: int, told_so: str) -> None:
    assert told(kernel.connections(S, Connections(count, 100))) == told_so
    assert told(kernel.connections(S, None)) == "ok: not kept track of yet"


@pytest.mark.parametrize(("found", "level"), [("1", "ok"), ("0", "warn"), (None, "warn")])
def test_bridge_nf(found: str | None, level: str) -> None:
    assert told(kernel.bridge_nf(S, found)).startswith(level)


def test_rp_filter_hurts_on_a_tunnel_and_on_several_ways_out() -> None:
    ways = frozenset({"eth0", "eth1"})
    assert "does no harm" in told(kernel.reverse_path(S, ReversePath(1, {"eth0": 0}, frozenset({"eth0"}))))
    assert told(kernel.reverse_path(S, ReversePath(1, {"eth0": 2, "steer0": 0}, ways))).startswith("ok")
    assert told(kernel.reverse_path(S, ReversePath(0, {"eth0": 1, "eth1": 1}, ways))).startswith(
        "warn: strict at eth0, eth1"
    )
    assert told(kernel.reverse_path(S, ReversePath(1, {"steer0-vx": 0}))).startswith("fail: strict at steer0-vx")


def test_cgroups() -> None:
    every = frozenset({"cpu", "memory", "cpuset", "pids"})
    assert told(cgroups.judge(S, Cgroups(2, every))).startswith("ok: v2")
    assert told(cgroups.judge(S, Cgroups(0))).startswith("fail: none")
    assert told(cgroups.judge(S, Cgroups(1, every - {"memory"}))) == "fail: v1 has no memory: its limits do not hold"
    assert told(cgroups.judge(S, Cgroups(1, every - {"pids"}))).startswith("warn")
    assert told(cgroups.judge(S, Cgroups(1, every, read_only=True))).startswith("fail: mounted read-only")


def test_disks_by_bytes_and_by_inodes() -> None:
    assert told(storage.judge(S, [Disk("/", ("state",), 50, 50)])) == "ok: / 50 % free"
    assert told(storage.judge(S, [Disk("/", ("state",), 15, 50)])).startswith("warn: / (state) has 15 % free")
    assert told(storage.judge(S, [Disk("/v", ("Docker",), 50, 3)])).startswith(
        "fail: /v (Docker) has 3 % of its inodes"
    )


def test_docker_absent_stopped_silent_and_old() -> None:
    assert told(dockerd.judge(S, Daemon("27.1", (1, 46), "overlay2"))) == "ok: 27.1, storage driver overlay2"
    assert "not installed" in told(dockerd.judge(S, Daemon(error="no socket", socket="/x", installed=False)))
    assert "does not run: there is no /x" in told(dockerd.judge(S, Daemon(error="no socket", socket="/x")))
    assert "does not answer: timed out" in told(dockerd.judge(S, Daemon(error="timed out")))
    assert "1.12.6 is too old: its API is 1.24" in told(dockerd.judge(S, Daemon("1.12.6", (1, 24))))
    assert told(dockerd.judge(S, Daemon("27.1", (1, 46), "vfs"))).startswith("warn: storage driver vfs")
    assert "No memory limit" in told(
        dockerd.judge(S, Daemon("27.1", (1, 46), "overlay2", ("WARNING: No memory limit support",)))
    )


def test_rules_of_both_flavours_fail_when_known_programs_wrote_them() -> None:
    assert told(flavours.judge(S, Flavours("nf_tables", nft=("-A FORWARD -j DOCKER",)))) == "ok: nf_tables alone"
    stale = told(flavours.judge(S, Flavours("nf_tables", legacy=("-A INPUT -p icmp -j ACCEPT",))))
    assert stale == "warn: iptables writes nf_tables, and 1 rules are in legacy"
    mixed = told(flavours.judge(S, Flavours("legacy", nft=("-A FORWARD -j DOCKER-USER",))))
    assert mixed.startswith("fail: iptables writes legacy, and 1 rules are in nf_tables, of Docker")
    ours = told(flavours.judge(S, Flavours("nf_tables", legacy=("-A OUTPUT -j STEER-OUTPUT",))))
    assert ours.startswith("fail: iptables writes nf_tables, and 1 rules are in legacy, of ours")
    assert told(flavours.judge(S, Flavours(""))).startswith("fail: there is no iptables")


DOCKER = (
    ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o steer0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -o steer0 -j DOCKER",
    "-A FORWARD -i steer0 ! -o steer0 -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
)  # fmt: skip
CENTOS = (
    ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]",
    "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
    "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
    "-A FORWARD -j REJECT --reject-with icmp-host-prohibited",
)  # fmt: skip


def test_dockers_own_rules_are_well() -> None:
    found = Firewall(DOCKER, bridge=True)
    assert told(firewall.forward(S, found)).startswith("ok")
    assert told(firewall.inward(S, found)).startswith("ok")


def test_a_policy_that_drops_fails_when_no_rule_lets_our_bridge_through() -> None:
    rules = tuple(line for line in DOCKER if "-i steer0" not in line)
    assert told(firewall.forward(S, Firewall(rules, bridge=True))).startswith("fail: FORWARD has the policy DROP")
    assert told(firewall.forward(S, Firewall(rules))).startswith("ok"), "without a bridge Docker will write its rules"
    assert told(firewall.forward(S, Firewall((":FORWARD DROP [0:0]",)))).startswith("warn")


def test_a_last_rule_that_rejects_fails_in_both_directions() -> None:
    found = Firewall(CENTOS, bridge=True)
    assert "a rule in FORWARD drops the rest" in told(firewall.forward(S, found))
    inward = told(firewall.inward(S, found))
    assert "fail: a rule in INPUT drops the rest: pods reach neither services nor names" in inward
    assert "warn: a rule in INPUT drops the rest: node ports" in inward


def test_a_rule_before_it_lets_the_same_host_pass() -> None:
    opened = (
        "-A INPUT -i steer0 -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 30000:32767 -j ACCEPT",
        "-A INPUT -p tcp -m multiport --dports 22,6443 -j ACCEPT", "-A FORWARD -i steer0 -j ACCEPT",
    )  # fmt: skip
    found = Firewall((*CENTOS[:2], *opened, *CENTOS[2:]), bridge=True)
    assert told(firewall.forward(S, found)).startswith("ok")
    assert told(firewall.inward(S, found)).startswith("ok")


def test_a_rule_that_lets_only_some_of_the_bridge_pass_is_no_pass() -> None:
    narrow = "-A FORWARD -s 10.0.0.0/8 -i steer0 -j ACCEPT"
    assert told(firewall.forward(S, Firewall((narrow, *CENTOS), bridge=True))).startswith("fail")


def test_firewalls_that_run_are_named() -> None:
    ufw = Firewall((*DOCKER, ":ufw-before-forward - [0:0]", "-A FORWARD -j ufw-before-forward"), bridge=True)
    assert "ufw is on" in told(firewall.forward(S, ufw))
    firewalld = Firewall(DOCKER, (BaseChain("inet firewalld", "forward", "accept"),), bridge=True)
    assert "firewalld is on" in told(firewall.forward(S, firewalld))
    own = Firewall(DOCKER, (BaseChain("inet guard", "forward", "drop"), BaseChain("ip filter", "forward", "drop")))
    assert (
        told(firewall.forward(S, own)) == "warn: table inet guard of nf_tables drops at forward what it does not name"
    )


def test_ranges_overlap_strange_routes_and_not_our_own() -> None:
    ours = (Route("10.244.0.0/24", "steer0"), Route("10.244.1.0/24", "eth0", 84), Route("10.96.0.0/16", "lo", 83))
    assert told(ranges.judge(S, ours)).startswith("ok")
    assert told(ranges.judge(S, (Route("0.0.0.0/0", "eth0"), Route("10.97.0.0/16", "eth0")))).startswith("ok")
    assert told(ranges.judge(S, (*ours, Route("10.244.7.0/24", "tun0")))) == (
        "fail: pod-cidr 10.244.0.0/16 overlaps the route 10.244.7.0/24 over tun0"
    )
    assert "service-cidr" in told(ranges.judge(S, (Route("10.0.0.0/8", "eth1"),)))


def test_a_port_is_told_with_its_holder_and_only_where_it_harms() -> None:
    def found(*held: Listener) -> str:
        return told(ports.judge(S, Listeners(held, frozenset({7}), ports.wanted(complete(S)))))

    assert found(Listener("tcp", "0.0.0.0", 6443, 7, "steersman")).startswith("ok")
    assert found(Listener("tcp", "::", 6443, 9, "nginx")).endswith("0.0.0.0:6443 is taken: nginx (pid 9)")
    assert found(Listener("udp", "0.0.0.0", 6443, 9, "x")).startswith("ok")
    assert found(Listener("udp", "127.0.0.53", 53, 9, "resolved")).startswith("ok")
    assert found(Listener("udp", "0.0.0.0", 53, 9, "dnsmasq")).startswith("fail: the name server's")
    assert found(Listener("tcp", "0.0.0.0", 30080, 0)).startswith("warn: node port 30080 is taken: by a process that")


def test_every_port_of_the_cluster_is_looked_at() -> None:
    for name in PORT_FIELDS:
        held = Listener("tcp", "0.0.0.0", getattr(S, name), 9, "other")
        (finding,) = ports.judge(S, Listeners((held,), wanted=ports.wanted(complete(S))))
        assert finding.level is Level.FAIL
        assert f"--{name.replace('_', '-')}" in finding.advice


def test_ports_that_only_a_component_s_own_file_sets_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "dns.yaml").write_text("health-port: 8088\n")
    settings = complete(Settings(config_dir=tmp_path))
    held = tuple(Listener("tcp", "0.0.0.0", port, 9, "other") for port in (8080, 8088, 8181))
    found = [one.message for one in ports.judge(settings, Listeners(held, wanted=ports.wanted(settings)))]
    assert found == [
        "the name server's health port 169.254.20.10:8088 is taken: other (pid 9)",
        "the name server's readiness port 169.254.20.10:8181 is taken: other (pid 9)",
    ]


def test_every_port_that_a_component_can_listen_on_is_declared() -> None:
    declared = {(one.component, one.port) for one in ports.PORTS}
    for one in COMPONENTS:
        fields = {setting.name for setting in settings_of(one.config_class()) if setting.hint is int}
        listening = {name for name in fields if name == "port" or name.endswith("_port")} - {"vxlan_port"}
        assert listening == {port for name, port in declared if name == one.name}


def test_a_resolver_that_is_our_own_name_server_is_a_ring() -> None:
    assert told(resolver.judge(S, ("192.0.2.53",))) == "ok: 192.0.2.53"
    assert told(resolver.judge(S, (S.dns_address,))).startswith("fail: this host asks 169.254.20.10")
    assert told(resolver.judge(S, ("127.0.0.53", S.dns_address))).startswith("warn")
    assert told(resolver.judge(S, ())).startswith("warn: none")


def test_certificates_that_end() -> None:
    fresh = Certificate("ca.crt", 3000, authority=True)
    assert told(certificates.judge(S, (fresh, Certificate("a", 300)))) == "ok: 2; the first ends in 300 days"
    assert told(certificates.judge(S, (fresh, Certificate("a", 12)))) == "warn: a ends in 12 days"
    assert told(certificates.judge(S, (fresh, Certificate("a", -2)))) == "fail: a ended 2 days ago"
    assert "cannot be used" in told(certificates.judge(S, (Certificate("a", error="no PEM"),)))
    (of_ca,) = certificates.judge(S, (Certificate("ca.crt", -1, authority=True),))
    assert "ca.crt" in of_ca.advice


def test_the_api_server_and_what_to_do() -> None:
    def advice(found: ApiServer) -> str:
        assert told(master.judge(S, found)).startswith("fail")
        return master.judge(S, found)[0].advice

    assert told(master.judge(S, ApiServer("https://m:6443"))) == "ok: https://m:6443 is ready"
    assert "steersman up" in advice(ApiServer("s", False, "nobody listens there", refused=True))
    assert "apiserver.log" in advice(ApiServer("s", True, "nobody listens there", refused=True))
    assert "ca.crt" in advice(ApiServer("s", True, "TLS fails", distrusted=True))
    assert "firewall" in advice(ApiServer("s", True, "timed out"))
    assert "readyz" in advice(ApiServer("s", True, unready="500 etcd"))


@pytest.mark.parametrize(
    ("skew_s", "expected"),
    [(0.4, "ok"), (None, "ok"), (12.0, "warn: 12 s behind"), (-90.0, "fail: 90 s ahead of")],
)
def test_clocks(skew_s: float | None, expected: str) -> None:
    assert told(clock.judge(S, ApiServer("s", skew_s=skew_s))).startswith(expected)


def test_what_cannot_be_read_is_a_finding_and_no_end() -> None:
    def refused(settings: Settings) -> None:
        raise PermissionError("iptables-save: you must be root")

    (finding,) = Check("x", refused, lambda _settings, _facts: []).run(S)
    assert finding == Finding(
        Level.WARN, "cannot be looked at: iptables-save: you must be root", "call steersman doctor as root"
    )


def test_the_table_tells_failures_before_warnings_and_counts() -> None:
    results = [
        ("a", Finding(Level.OK, "fine")),
        ("b", Finding(Level.WARN, "hm", "wait")),
        ("c", Finding(Level.FAIL, "no", "go")),
    ]
    lines = as_table(results).splitlines()
    assert lines[1].split() == ["a", "ok", "fine"]
    assert lines.index("fail: c: no") < lines.index("warn: b: hm")
    assert lines[-1] == "1 ok, 1 to look at, 1 failed"


def test_checks_have_names_of_their_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
