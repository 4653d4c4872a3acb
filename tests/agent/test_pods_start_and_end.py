"""Pods on a real Docker daemon, from creation to deletion."""

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import urllib3

from api.core import Pod
from tests.agent.cluster import Cluster, phase, ready, restarts, waiting_reason
from tests.agent.sockets import free_port
from tests.e2e.waiting import until

pytestmark = pytest.mark.docker


def test_a_pod_runs_with_an_address_of_the_pod_network(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "exec sleep 1000")
    pod = shared.wait_pod("web", ready)
    assert pod.status.phase == "Running"
    assert pod.status.pod_ip.startswith(shared.cidr.rpartition(".")[0] + ".")
    assert pod.status.host_ip == "127.0.0.1"
    assert pod.status.qos_class == "BestEffort"
    names = sorted(row["Names"][0] for row in shared.containers())
    tail = f"web_{shared.namespace}_{pod.metadata.uid}_0"
    assert names == [f"/k8s_POD_{tail}", f"/k8s_main_{tail}"]
    until(lambda: bool(shared.events("Started")))
    assert shared.events("Created") == ["Created container: main"]


def test_a_deleted_pod_gets_term_and_is_gone(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "trap 'exit 0' TERM; echo armed; sleep 1000 & wait")
    pod = shared.wait_pod("web", ready)
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    until(lambda: shared.docker.logs(identity) == b"armed\n")
    shared.delete("web")
    shared.wait_gone("web", timeout_s=4)
    assert shared.containers() == []
    assert not (shared.directory / "data/pods" / pod.metadata.uid).exists()
    assert list((shared.directory / "log/containers").glob(f"*_{shared.namespace}_*")) == []


def test_a_container_that_ignores_term_is_killed_after_the_grace(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("stubborn", "trap '' TERM; while true; do sleep 0.1; done")
    shared.wait_pod("stubborn", ready)
    shared.delete("stubborn", grace_s=1)
    shared.wait_gone("stubborn", timeout_s=8)
    assert shared.containers() == []


@pytest.mark.parametrize(
    ("policy", "code", "wanted"),
    [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")],
)
def test_a_pod_that_ends_for_good_has_the_right_phase(shared: Cluster, policy: str, code: int, wanted: str) -> None:
    shared.start_agent()
    shared.create("job", f"exit {code}", restartPolicy=policy)
    pod = shared.wait_pod("job", phase(wanted))
    state = pod.status.container_statuses[0].state
    assert state is not None
    assert state.terminated is not None
    assert (state.terminated.exit_code, state.terminated.reason) == (code, "Error" if code else "Completed")
    until(lambda: len(shared.containers()) == 1)


def test_a_pod_beyond_its_deadline_is_ended_for_good(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("late", "trap 'sleep 1; exit 0' TERM; sleep 1000 & wait")
    shared.wait_pod("late", ready)
    shared.api.patch(Pod, "late", shared.namespace, {"spec": {"activeDeadlineSeconds": 1}}, form="merge")
    pod = shared.wait_pod("late", phase("Failed"))
    assert pod.status.reason == "DeadlineExceeded"
    assert pod.status.message == "Pod was active on the node longer than the specified deadline"
    assert all(one.state.terminated for one in pod.status.container_statuses)
    until(lambda: shared.containers(all=False) == [])


def test_a_container_killed_from_outside_is_started_again_and_counted(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "exec sleep 1000")
    pod = shared.wait_pod("web", ready)
    shared.docker.kill(pod.status.container_statuses[0].container_id.removeprefix("docker://"))
    pod = shared.wait_pod("web", lambda pod: restarts(pod) == 1 and ready(pod))
    last = pod.status.container_statuses[0].last_state
    assert last is not None
    assert last.terminated is not None
    assert last.terminated.exit_code == 137


def test_a_sandbox_killed_from_outside_is_made_again(shared: Cluster) -> None:
    shared.start_agent()
    shared.create("web", "exec sleep 1000", terminationGracePeriodSeconds=1)
    shared.wait_pod("web", ready)
    sandbox = next(row for row in shared.containers() if "k8s_POD_" in row["Names"][0])
    shared.docker.kill(sandbox["Id"])
    shared.wait_pod("web", lambda pod: restarts(pod) == 1 and ready(pod))
    assert len(shared.containers(all=False)) == 2


def test_a_container_that_keeps_failing_waits_with_crash_loop_back_off(cluster: Cluster) -> None:
    cluster.start_agent(restart_base_s=1.0, restart_cap_s=5.0)
    cluster.create("crash", "exit 1")

    pod = cluster.wait_pod("crash", lambda pod: waiting_reason(pod) == "CrashLoopBackOff")
    told = f"Back-off restarting failed container main in pod crash_default({pod.metadata.uid})"
    until(lambda: cluster.events("BackOff") == [told])
    assert pod.status.phase == "Running"
    assert not ready(pod)
    dead = {"label": f"io.steersman.cluster={cluster.name}", "status": "exited"}
    until(lambda: len(cluster.docker.containers(all=True, filters=dead)) <= 1)


def test_a_command_that_is_not_there_shows_run_container_error(shared: Cluster) -> None:
    shared.start_agent()
    container = {"name": "main", "image": shared.image, "command": ["/no/such/program"]}
    shared.create("typo", containers=[container], restartPolicy="Never")
    pod = shared.wait_pod("typo", phase("Failed"))
    state = pod.status.container_statuses[0].state
    assert state is not None
    assert state.terminated is not None
    assert state.terminated.reason == "ContainerCannotRun"
    assert "no such file" in state.terminated.message


def test_a_frozen_container_ends_by_kill_and_delays_no_other(cluster: Cluster) -> None:
    cluster.start_agent(workers=1)
    cluster.create("frozen", "exec sleep 1000", terminationGracePeriodSeconds=1)
    pod = cluster.wait_pod("frozen", ready)
    identity = pod.status.container_statuses[0].container_id.removeprefix("docker://")
    os.kill(cluster.docker.inspect_container(identity)["State"]["Pid"], signal.SIGSTOP)
    cluster.delete("frozen")
    cluster.create("other", "exec sleep 1000")
    cluster.wait_pod("other", ready, timeout_s=8)
    cluster.wait_gone("frozen", timeout_s=10)


def test_hooks_run_after_the_start_and_before_the_end(shared: Cluster) -> None:
    shared.start_agent()
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /shared/first"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo ending > /shared/last"]}},
    }
    folder = shared.directory / "hooks"
    volume = {"name": "shared", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}
    container = shared.container(
        "main",
        "trap 'exit 0' TERM; sleep 1000 & wait",
        lifecycle=hooks,
        volumeMounts=[{"name": "shared", "mountPath": "/shared"}],
    )
    shared.create("hooked", containers=[container], volumes=[volume])
    shared.wait_pod("hooked", ready)
    assert (folder / "first").read_text() == "started\n"
    shared.delete("hooked")
    shared.wait_gone("hooked")
    assert (folder / "last").read_text() == "ending\n"


TAG = {"name": "X-Hook", "value": "y"}


class _Asked(BaseHTTPRequestHandler):
    """A server that remembers what it was asked for."""

    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(f"{self.path} {self.headers['X-Hook']}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_hooks_may_be_requests(shared: Cluster) -> None:
    shared.start_agent()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Asked) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="test-hooks")
        thread.start()
        place = {
            "host": "127.0.0.1",
            "port": server.server_address[1],
            "httpHeaders": [{"name": "X-Hook", "value": "y"}],
        }
        hooks = {name: {"httpGet": place | {"path": f"/{name}"}} for name in ("postStart", "preStop")}
        command = "trap 'exit 0' TERM; sleep 1000 & wait"
        shared.create("hooked", containers=[shared.container("main", command, lifecycle=hooks)])
        shared.wait_pod("hooked", ready)
        assert _Asked.paths == ["/postStart y"]
        shared.delete("hooked")
        shared.wait_gone("hooked")
        assert _Asked.paths == ["/postStart y", "/preStop y"]
        server.shutdown()
        thread.join(10)


def test_a_host_that_refuses_to_lower_oom_scores_is_told_of(cluster: Cluster) -> None:
    """Where it does not refuse, the container has its score."""
    cluster.start_agent()
    amounts = {"cpu": "10m", "memory": "32Mi"}
    main = cluster.container("main", "exec sleep 1000", resources={"requests": amounts, "limits": amounts})
    cluster.create("guaranteed", containers=[main])
    found = cluster.wait_pod("guaranteed", ready)
    identity = found.status.container_statuses[0].container_id.removeprefix("docker://")
    score = cluster.docker.inspect_container(identity)["HostConfig"]["OomScoreAdj"]
    assert score in (0, -997)
    if score == 0:
        until(lambda: len(cluster.events("FailedToSetOOMScore")) == 1)


def test_a_failed_post_start_hook_ends_the_container(shared: Cluster) -> None:
    shared.start_agent()
    hooks = {"postStart": {"exec": {"command": ["false"]}}}
    container = shared.container("main", "trap 'exit 0' TERM; sleep 1000 & wait", lifecycle=hooks)
    shared.create("hooked", containers=[container], restartPolicy="Never")
    shared.wait_pod("hooked", lambda pod: pod.status.phase in ("Succeeded", "Failed"))
    until(lambda: bool(shared.events("FailedPostStartHook")))


def test_a_port_of_the_host_leads_to_the_pod(shared: Cluster) -> None:
    port = free_port()
    shared.start_agent()
    ports = [{"containerPort": 8080, "hostPort": port, "hostIP": "127.0.0.1"}]
    command = "mkdir -p /tmp/www; echo hello > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
    shared.create("web", containers=[shared.container("main", command, ports=ports)])
    shared.wait_pod("web", ready)
    until(lambda: _answer(port) == b"hello\n")


def _answer(port: int) -> bytes:
    try:
        return bytes(urllib3.request("GET", f"http://127.0.0.1:{port}/", retries=False, timeout=2).data)
    except urllib3.exceptions.HTTPError:
        return b""


def test_a_status_that_somebody_else_overwrote_is_put_right(shared: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.pods.reporter.REPAIR_S", 0.0)
    shared.start_agent()
    shared.create("web", "exec sleep 1000")
    pod = shared.wait_pod("web", ready)
    shared.api.patch(Pod, "web", shared.namespace, {"status": {"phase": "Failed"}}, subresource="status", form="merge")
    assert shared.wait_pod("web", phase("Running")).status.pod_ip == pod.status.pod_ip
