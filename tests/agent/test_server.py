"""The agent's port: who gets an answer, and logs."""

import threading
from pathlib import Path

import pytest
import urllib3

from agent.runtime.logs import LogLine
from agent.server.authorization import Authorizer, act_of, names_of
from agent.server.logs_query import LogsQuery, chosen, parse_query
from api.errors import ApiError, BadRequest, Forbidden, ServiceUnavailable, Unauthorized
from api.scalars import now
from tests.agent.certificates import Authority
from tests.agent.cluster import Cluster, phase, ready, restarts, waiting_reason
from tests.agent.doors import client, master, url
from tests.agent.fake_api import FakeApi
from tests.e2e.waiting import until

_LINES = [LogLine(f"{number}\n", "stdout", f"2026-01-01T00:00:0{number}.5Z") for number in range(5)]


def _texts(query: LogsQuery, lines: list[LogLine] = _LINES) -> list[str]:
    return [line.text for line in chosen(lines, query)]


def test_the_tail_of_a_log_is_its_last_whole_lines() -> None:
    assert _texts(LogsQuery(tail_lines=2)) == ["3\n", "4\n"]
    assert _texts(LogsQuery(tail_lines=0)) == []
    parts = [*_LINES, LogLine("lo", "stdout", ""), LogLine("ng\n", "stdout", "")]
    assert _texts(LogsQuery(tail_lines=1), parts) == ["lo", "ng\n"]


def test_since_leaves_out_what_is_older() -> None:
    assert _texts(LogsQuery(since=_LINES[3].when)) == ["3\n", "4\n"]


@pytest.mark.parametrize(
    "query",
    [{"tailLines": "-1"}, {"tailLines": "x"}, {"tailLines": "9" * 5000}, {"follow": "maybe"}, {"sinceTime": "x"}],
)
def test_a_bad_option_is_refused_by_name(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match=next(iter(query))):
        parse_query(query, now())


def test_a_certificate_names_a_user_and_groups() -> None:
    subject = ((("organizationName", "system:masters"),), (("commonName", "x"),), (("organizationName", "b"),))
    assert names_of({"subject": subject}, "organizationName") == ("system:masters", "b")
    assert names_of({"subject": subject}, "commonName") == ("x",)


@pytest.mark.parametrize(
    ("method", "path", "act"),
    [
        ("GET", "/metrics/cadvisor", ("get", "metrics")),
        ("GET", "/stats/summary", ("get", "stats")),
        ("GET", "/pods", ("get", "proxy")),
        ("GET", "/containerLogs/default/web/main", ("get", "proxy")),
        ("GET", "/exec/default/web/main", ("create", "proxy")),
        ("POST", "/portForward/default/web", ("create", "proxy")),
        ("GET", "//metrics", ("get", "proxy")),
    ],
)
def test_a_request_is_an_act_on_the_node(method: str, path: str, act: tuple[str, str]) -> None:
    assert act_of(method, path) == act


def test_answers_of_the_master_hold_for_a_while() -> None:
    api, moment = FakeApi(), [0.0]
    api.users["t"], api.allowed = "ann", {("ann", "get", "metrics")}
    authorizer = Authorizer(api, "n1", (), clock=lambda: moment[0])  # type: ignore[arg-type]

    def may(path: str, token: str = "Bearer t") -> type[Exception] | None:
        try:
            authorizer.check({}, token, method="GET", path=path)
        except ApiError as error:
            return type(error)
        return None

    assert [may("/metrics"), may("/pods")] == [None, Forbidden]
    api.down = True
    assert [may("/metrics"), may("/pods"), may("/stats")] == [None, Forbidden, ServiceUnavailable]
    moment[0] = 31.0
    assert [may("/metrics"), may("/pods")] == [None, ServiceUnavailable]  # a refusal is asked for again soon
    moment[0] = 121.0
    assert may("/metrics") is ServiceUnavailable  # whose the token is, too
    api.down = False
    api.users.clear()
    assert [may("/metrics"), may("/metrics", ""), may("/metrics", "Basic t")] == [Unauthorized] * 3


@pytest.mark.docker
def test_a_token_opens_what_the_master_allows_its_user(cluster: Cluster) -> None:
    agent = cluster.start_agent()
    cluster.api.users["secret"], cluster.api.allowed = "scraper", {("scraper", "get", "metrics")}
    with client(cluster, None) as pool:

        def asked(path: str, token: str) -> int:
            return int(pool.request("GET", url(agent, path), headers={"Authorization": f"Bearer {token}"}).status)

        assert asked("/metrics", "secret") == asked("/metrics/cadvisor", "secret") == 200
        assert asked("/pods", "secret") == asked("/exec/default/x/y?command=id", "secret") == 403
        assert asked("/metrics", "other") == 401


@pytest.mark.docker
def test_only_a_certificate_of_an_allowed_group_gets_an_answer(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    agent = cluster.start_agent()
    with client(cluster, master(cluster)) as pool:
        assert pool.request("GET", url(agent, "/healthz")).data == b"ok"
        assert pool.request("GET", url(agent, "/nowhere")).status == 404
        assert pool.request("POST", url(agent, "/healthz")).status == 405
    with client(cluster, cluster.authority.issue("node", groups=("system:nodes",))) as pool:
        assert pool.request("GET", url(agent, "/healthz")).status == 403
    stranger = Authority(tmp_path_factory.mktemp("other"), "other-ca").issue("x", groups=("system:masters",))
    with client(cluster, stranger) as pool, pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("GET", url(agent, "/healthz"))
    with client(cluster, None) as pool:
        assert pool.request("GET", url(agent, "/healthz")).status == 401


@pytest.mark.docker
def test_pods_metrics_and_logs_are_told(shared: Cluster) -> None:
    agent = shared.start_agent()
    shared.create("web", "echo one; echo two; exec sleep 1000")
    pod = shared.wait_pod("web", ready)
    with client(shared, master(shared)) as pool:
        listed = pool.request("GET", url(agent, "/pods")).json()
        phases = {item["metadata"]["uid"]: item["status"]["phase"] for item in listed["items"]}
        assert phases[pod.metadata.uid] == "Running"
        assert b"kubelet_running_pods " in pool.request("GET", url(agent, "/metrics")).data
        usage = pool.request("GET", url(agent, "/metrics/cadvisor")).data.decode()
        assert 'pod="web"' in usage
        path = url(agent, f"/containerLogs/{shared.namespace}/web/main")
        until(lambda: pool.request("GET", path).data == b"one\ntwo\n")
        assert pool.request("GET", f"{path}?tailLines=1").data == b"two\n"
        assert pool.request("GET", f"{path}?limitBytes=5").data == b"one\nt"
        stamped = pool.request("GET", f"{path}?timestamps=true").data.decode()
        assert stamped.splitlines()[0].endswith("Z one")
        assert pool.request("GET", f"{path}?previous=true").status == 400
        assert pool.request("GET", url(agent, f"/containerLogs/{shared.namespace}/web/other")).status == 400
        assert pool.request("GET", url(agent, f"/containerLogs/{shared.namespace}/nobody/main")).status == 404
        never = shared.container("main", "true") | {"command": ["/nothing/here"]}
        shared.create("cannot", containers=[never], restartPolicy="Never")
        shared.wait_pod("cannot", phase("Failed"))
        told = pool.request("GET", url(agent, f"/containerLogs/{shared.namespace}/cannot/main"))
        assert (told.status, told.data) == (200, b"")
    link = next((shared.directory / "log/containers").glob(f"*_{shared.namespace}_*"))
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    assert link.name == f"web_{shared.namespace}_main-{identity}.log"
    assert "one" in link.read_text()


@pytest.mark.docker
def test_a_refusal_is_plain_text_and_tells_what_the_container_waits_for(shared: Cluster) -> None:
    """An API server puts these words into its own Status: a Status in them would be shown to people as JSON."""
    agent = shared.start_agent()
    shared.create("unpulled", containers=[{"name": "main", "image": "127.0.0.1:1/nobody/has:this"}])
    shared.wait_pod("unpulled", lambda pod: waiting_reason(pod) == "ImagePullBackOff", timeout_s=60)
    with client(shared, master(shared)) as pool:
        refused = pool.request("GET", url(agent, f"/containerLogs/{shared.namespace}/unpulled/main"))
    assert refused.status == 400
    assert refused.headers["Content-Type"].startswith("text/plain")
    why = 'container "main" in pod "unpulled" is waiting to start: trying and failing to pull image'
    assert refused.data.decode() == why


@pytest.mark.docker
def test_what_containers_hold_is_told_as_the_kubelet_tells_it(shared: Cluster) -> None:
    """Bytes on the disk, open files, sockets; and file systems as they are now, not as they were at the start."""
    agent = shared.start_agent()
    shared.create("holder", "head -c 3000000 /dev/zero >/kept; exec sleep 1000 7</kept 8</kept")
    pod = shared.wait_pod("holder", ready)
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    (process,) = [one.pid for one in agent.cache.all() if one.id == identity]
    where = f'namespace="{shared.namespace}",pod="holder"'
    with client(shared, master(shared)) as pool:

        def told(name: str, labels: str = 'container="main"') -> float:
            text = pool.request("GET", url(agent, "/metrics/cadvisor")).data.decode()
            lines = [one for one in text.splitlines() if one.startswith(f"{name}{{{labels}") and where in one]
            return float(lines[0].split()[-1]) if lines else -1.0

        until(lambda: told("container_fs_usage_bytes") >= 3_000_000)
        assert told("container_file_descriptors") == len(list(Path(f"/proc/{process}/fd").iterdir()))
        assert told("container_sockets") == 0
        assert told("container_threads") == 1


@pytest.mark.docker
def test_a_followed_log_goes_on_until_the_container_ends(shared: Cluster) -> None:
    agent = shared.start_agent()
    shared.create("job", "for i in 1 2 3 4; do echo line $i; sleep 0.3; done", restartPolicy="Never")
    shared.wait_pod("job", ready)
    with client(shared, master(shared)) as pool:
        log = url(agent, f"/containerLogs/{shared.namespace}/job/main?follow=true")
        assert pool.request("GET", log, timeout=20).data == b"line 1\nline 2\nline 3\nline 4\n"
    shared.wait_pod("job", phase("Succeeded"))


@pytest.mark.docker
def test_a_client_that_leaves_ends_its_follow(shared: Cluster) -> None:
    agent = shared.start_agent()
    shared.create("web", "echo here; exec sleep 1000")
    shared.wait_pod("web", ready)
    with client(shared, master(shared)) as pool:
        log = url(agent, f"/containerLogs/{shared.namespace}/web/main?follow=true")
        response = pool.request("GET", log, preload_content=False)
        assert response.read1() == b"here\n"
        assert any(thread.name.startswith("agent-server-") for thread in threading.enumerate())
        response.close()
    until(lambda: not any(thread.name.startswith("agent-server-") for thread in threading.enumerate()))


@pytest.mark.docker
def test_the_log_of_the_run_before_can_be_read(cluster: Cluster) -> None:
    agent = cluster.start_agent(restart_base_s=30.0, restart_cap_s=60.0)
    cluster.create("crash", "echo $HOSTNAME fell; exit 1")
    cluster.wait_pod("crash", lambda pod: restarts(pod) == 1)
    with client(cluster, master(cluster)) as pool:
        log = url(agent, f"/containerLogs/{cluster.namespace}/crash/main?previous=true")
        until(lambda: pool.request("GET", log).data == b"crash fell\n")
