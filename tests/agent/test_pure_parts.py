"""Environment, names, resources, schedules of probes: values in, values out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Config
from agent.pods.docker_config import Host, container_config, sandbox_config
from agent.pods.environment import environment, expand
from agent.pods.problems import ConfigError
from agent.pods.qos import Limits, limits
from agent.pods.resolving import hosts_file, resolv_conf
from agent.pods.sources import Sources
from agent.probes.schedule import Kind, counts, failed_for_good, first_due_s, first_state, next_state
from agent.runtime.facts import ImageFacts
from agent.runtime.logs import LogLinks, parse_line
from agent.runtime.records import container_name, parse_time, record_from_inspect
from agent.volumes import remove_tree
from api.codec import convert
from api.core import ConfigMap, Container, Pod, Probe, Service
from api.qos import qos_class
from tests.agent.facts import pod, record

_HOST = Host(cluster="c", network="steer0", pause_image="pause", log_max_size="10m", log_max_files=5)


# Environment.


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$(NONE)", "$(NONE)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$$", "$"),
        ("$(A", "$(A"), ("100$", "100$"), ("$$$(A)", "$1"), ("", ""),
    ],
)  # fmt: skip
def test_references_are_expanded_as_kubernetes_does(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == wanted


@given(st.text())
def test_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert expand(text.replace("$", ""), {"A": "1"}) == text.replace("$", "")


def _container(**more: object) -> Container:
    return convert({"name": "c0", "image": "img:1", **more}, Container)


def test_a_missing_key_is_an_error_unless_it_is_optional() -> None:
    reference = {"name": "m", "key": "k"}
    env = [{"name": "V", "valueFrom": {"configMapKeyRef": reference}}]
    with pytest.raises(ConfigError, match='configmap "m" not found'):
        environment(pod(), _container(env=env), Sources())
    with pytest.raises(ConfigError, match="couldn't find key k in ConfigMap ns/m"):
        environment(pod(), _container(env=env), Sources(config_maps={"m": ConfigMap()}))
    env[0]["valueFrom"] = {"configMapKeyRef": {**reference, "optional": True}}
    assert environment(pod(), _container(env=env), Sources()) == {}


def test_only_services_of_the_namespace_and_the_master_are_linked() -> None:
    def service(namespace: str, name: str, address: str) -> Service:
        meta = {"namespace": namespace, "name": name}
        return convert({"metadata": meta, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}, Service)

    services = [
        service("ns", "web", "10.0.0.1"), service("other", "db", "10.0.0.2"), service("ns", "headless", "None"),
        service("default", "kubernetes", "10.0.0.3"),
    ]  # fmt: skip
    names = set(environment(pod(), _container(), Sources(services=services)))
    assert {"WEB_SERVICE_HOST", "KUBERNETES_SERVICE_HOST"} <= names
    assert not any(name.startswith(("DB_", "HEADLESS_")) for name in names)
    unlinked = environment(pod(enableServiceLinks=False), _container(), Sources(services=services))
    assert {name.partition("_")[0] for name in unlinked} == {"KUBERNETES"}


# Resources.


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_qos_class_follows_from_requests_and_limits(resources: dict[str, object], wanted: str) -> None:
    item = pod()
    item.spec.containers = [_container(resources=resources)]
    assert qos_class(item.spec) == wanted


def test_resources_become_shares_quota_and_a_score() -> None:
    item = pod()
    resources = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1500m"}}
    item.spec.containers = [_container(resources=resources)]
    got = limits(item, item.spec.containers[0], machine_memory_bytes=4 * 2**30)
    assert got == Limits(cpu_shares=256, cpu_quota_us=150_000, memory_bytes=0, oom_score_adj=750)


# What Docker is asked for.


def test_the_sandbox_publishes_host_ports_and_is_named_as_kubernetes_names_it() -> None:
    item = pod(hostname="me")
    item.spec.containers = [_container(ports=[{"containerPort": 80, "hostPort": 8080}])]
    document = sandbox_config(item, _HOST, attempt=2)
    assert document["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    assert document["Hostname"] == "me"
    assert document["Labels"]["io.kubernetes.docker.type"] == "podsandbox"
    assert container_name(item, "POD", 2) == "k8s_POD_p_ns_uid-1_2"


def test_namespaces_are_joined_as_the_pod_wants() -> None:
    def host_config(item: Pod) -> dict[str, object]:
        return container_config(
            item, item.spec.containers[0], _HOST, sandbox_id="S", attempt=0, level=0, env={"A": "1"}, mounts=[],
            limits=Limits(2, 0, 0, 1000), image=ImageFacts("sha256:x"),
        )["HostConfig"]  # fmt: skip

    plain = host_config(pod())
    assert (plain["NetworkMode"], plain["IpcMode"], plain["PidMode"]) == ("container:S", "container:S", "")
    assert host_config(pod(shareProcessNamespace=True))["PidMode"] == "container:S"
    assert host_config(pod(hostPID=True))["PidMode"] == "host"


def _as_user(user: str) -> dict[str, object]:
    item = pod(securityContext={"runAsNonRoot": True})
    return container_config(
        item, item.spec.containers[0], _HOST, sandbox_id="S", attempt=0, level=0, env={}, mounts=[],
        limits=Limits(2, 0, 0, 1000), image=ImageFacts("sha256:x", user=user),
    )  # fmt: skip


@pytest.mark.parametrize("user", ["", "root", "0:0", "app"])
def test_root_is_refused_where_it_is_unwanted(user: str) -> None:
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        _as_user(user)


def test_another_user_than_root_is_let_in() -> None:
    assert _as_user("1000")["User"] == ""


# Names.


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, "nameserver 9.9.9.9\nsearch ns.svc.c.l svc.c.l c.l example.org\noptions ndots:5\n"),
        ({"dnsPolicy": "Default"}, "nameserver 1.1.1.1\nsearch example.org\noptions edns0\n"),
        ({"hostNetwork": True}, "nameserver 1.1.1.1\nsearch example.org\noptions edns0\n"),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["8.8.8.8"], "options": [{"name": "rotate"}]},
            },
            "nameserver 8.8.8.8\noptions rotate\n",
        ),
    ],
)
def test_resolv_conf_follows_the_dns_policy(spec: dict[str, object], wanted: str) -> None:
    host_file = "# ours\nnameserver 1.1.1.1\nsearch example.org\noptions edns0\n"
    assert resolv_conf(pod(**spec), host_file=host_file, cluster_dns=["9.9.9.9"], domain="c.l") == wanted


def test_the_hosts_file_knows_the_subdomain() -> None:
    text = hosts_file(pod(hostname="me", subdomain="sub"), pod_ip="10.0.0.1", domain="c.l")
    assert "10.0.0.1\tme.sub.ns.svc.c.l\tme\n" in text


# Probes.


def test_a_verdict_changes_only_at_its_threshold() -> None:
    probe = Probe(failure_threshold=3, success_threshold=2)
    state = first_state(Kind.READINESS, known=False)
    verdicts = []
    for ok in (True, True, False, False, True, False, False, False):
        state = next_state(state, probe, ok=ok)
        verdicts.append(state.ok)
    assert verdicts == [False, True, True, True, True, True, True, False]
    assert failed_for_good(state, probe)


def test_a_failure_while_the_agent_was_late_does_not_count() -> None:
    probe = Probe(period_seconds=10)
    assert counts(probe, ok=True, late_s=60)
    assert counts(probe, ok=False, late_s=4)
    assert not counts(probe, ok=False, late_s=6)


def test_probes_of_adopted_containers_are_spread_over_their_period() -> None:
    probe = Probe(period_seconds=10, initial_delay_seconds=5)
    assert first_due_s(probe, age_s=0, spread=0.7) == 5
    assert first_due_s(probe, age_s=1000, spread=0.7) == 7


# Records and logs.


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.500000+00:00"),
    ],
)
def test_dockers_times_are_read(text: str, wanted: str) -> None:
    when = parse_time(text)
    assert when is not None
    assert when.isoformat() == wanted


def test_dockers_zero_time_is_no_time() -> None:
    assert parse_time("0001-01-01T00:00:00Z") is None


def test_a_strangers_container_is_no_record() -> None:
    assert record_from_inspect({"Config": {"Labels": None}, "State": {}, "Id": "x"}) is None


@given(st.binary())
def test_any_bytes_in_a_log_are_survived(data: bytes) -> None:
    parse_line(data)


def test_a_directory_with_a_foreign_mount_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod_directory = tmp_path / "uid"
    (pod_directory / "volumes/data").mkdir(parents=True)
    (pod_directory / "volumes/data/precious").write_text("x")
    mounted = {str(pod_directory / "volumes/data"): "nfs4"}
    monkeypatch.setattr("agent.volumes.removing.mount_points", lambda: mounted)
    assert not remove_tree(pod_directory)
    assert (pod_directory / "volumes/data/precious").exists()
    mounted.clear()
    assert remove_tree(pod_directory)
    assert not pod_directory.exists()


# Settings.


def test_the_defaults_are_valid() -> None:
    assert Config(node_name="n1").check() == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("node_name", "No_Name"), ("node_ip", "1.2.3"), ("pod_cidr", "10.0.0.0/30"), ("bridge", "a-very-long-bridge"),
        ("port", 70000), ("workers", 0), ("restart_cap_s", 0.5), ("log_max_size", "huge"), ("docker_host", "docker"),
        ("cluster_dns", ("dns",)), ("disk_available_percent", 100.0), ("system_reserved_cpu", "lots"),
        ("register_with_taints", ("a=b",)), ("register_with_taints", ("-:NoExecute",)),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(setting: str, value: object) -> None:
    settings: dict[str, object] = {"node_name": "n1", setting: value}
    problems = Config(**settings).check()  # type: ignore[arg-type]
    assert len(problems) == 1
    assert problems[0].startswith(f"{setting}: ")


def test_links_of_containers_that_went_while_no_agent_ran_are_removed(tmp_path: Path) -> None:
    links = LogLinks(tmp_path / "containers", tmp_path / "pods")
    gone = record("c0", id="a" * 64, log_path=str(tmp_path / "gone-json.log"))
    here = record("c1", id="b" * 64, log_path=str(tmp_path / "here-json.log"))
    Path(here.log_path).write_text("")
    links.make(gone)
    links.make(here)
    links.remove_stale({here.id})
    assert [path.name for path in (tmp_path / "containers").iterdir()] == [f"p_ns_c1-{here.id}.log"]
    assert [path.name for path in (tmp_path / "pods/ns_p_uid-1").iterdir()] == ["c1"]
    links.remove(here)
    assert list((tmp_path / "pods").iterdir()) == []
