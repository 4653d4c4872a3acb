"""Restarts, phases, probes, images: the agent's work as the API shows it."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object, is_ready, restarts
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.pods import controller, pod, service, shell
from tests.e2e.waiting import seconds_until, until

pytestmark = pytest.mark.cluster
SOON_S = 3.0
Run = Callable[..., Object]


def phase(wanted: str) -> Callable[[Object], bool]:
    return lambda one: one["status"]["phase"] == wanted


def test_a_killed_container_is_restarted_soon_and_counted(
    run: Run, cluster: Cluster, api: Api, namespace: str, figures: dict[str, str]
) -> None:
    made = run(pod("phoenix"))
    cluster.docker("kill", cluster.container(made))

    def back() -> bool:
        now = api.pod("phoenix", namespace)
        return is_ready(now) and restarts(now) == 1

    took = seconds_until(back, limit_s=15, what="a restart")
    figures["kill a container until it runs again"] = f"{took:.1f} s"
    assert took < SOON_S
    now = api.pod("phoenix", namespace)
    assert now["metadata"]["uid"] == made["metadata"]["uid"]
    assert now["status"]["podIP"] == made["status"]["podIP"]
    assert now["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


def test_a_killed_sandbox_is_made_again(run: Run, cluster: Cluster, api: Api, namespace: str) -> None:
    made = run(pod("sandboxed"))
    (name,) = [one for one in cluster.containers() if one.startswith("k8s_POD_sandboxed_")]
    cluster.docker("kill", name)
    before = cluster.container(made)

    def back() -> bool:
        now = api.pod("sandboxed", namespace)
        return is_ready(now) and cluster.container(now) != before

    until(back, limit_s=15, what="the pod in a new sandbox")


@pytest.mark.parametrize(
    ("policy", "script", "expected", "count"),
    [
        ("Never", "exit 0", "Succeeded", 0),
        ("Never", "exit 3", "Failed", 0),
        ("OnFailure", "exit 0", "Succeeded", 0),
    ],
)
def test_a_pod_that_ends_has_the_right_phase(policy: str, script: str, expected: str, count: int, run: Run) -> None:
    made = run(pod("ends", *shell(script), restartPolicy=policy), phase(expected))
    assert restarts(made) == count
    ended = made["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == int(script[-1])
    assert ended["reason"] == ("Completed" if script.endswith("0") else "Error")


def test_on_failure_tries_again_until_it_succeeds(run: Run) -> None:
    volume: Any = {"volumes": [{"name": "kept", "emptyDir": {}}]}
    script = "[ -e /kept/once ] && exit 0; touch /kept/once; exit 1"
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    made = run(
        pod("stubborn", *shell(script), restartPolicy="OnFailure", volumeMounts=mounts, **volume), phase("Succeeded")
    )
    assert restarts(made) == 1


def test_a_container_that_keeps_failing_is_held_back(run: Run, kubectl: Kubectl, namespace: str) -> None:
    def waits(one: Object) -> bool:
        statuses = one["status"].get("containerStatuses") or [{"state": {}}]
        return statuses[0]["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"

    made = run(pod("crashing", *shell("exit 1")), waits)
    assert made["status"]["phase"] == "Running"
    until(lambda: "CrashLoopBackOff" in kubectl("get", "pod", "crashing", "-n", namespace), limit_s=15)
    until(lambda: "BackOff" in kubectl("describe", "pod", "crashing", "-n", namespace), limit_s=15)


PROBES: dict[str, tuple[str, Object]] = {
    "exec": ("rm /tmp/ok", {"exec": {"command": ["cat", "/tmp/ok"]}}),
    "tcp": ("kill -9 $(cat /tmp/pid)", {"tcpSocket": {"port": 8080}}),
    "http": ("rm /tmp/ok", {"httpGet": {"path": "/ok", "port": 8080}}),
}
SERVER = "touch /tmp/ok; httpd -p 8080 -h /tmp -f & echo $! > /tmp/pid; sleep 3600"


@pytest.mark.parametrize("kind", PROBES)
def test_a_failing_liveness_probe_restarts_the_container(
    kind: str, run: Run, cluster: Cluster, api: Api, namespace: str
) -> None:
    damage, action = PROBES[kind]
    probe = action | {"periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
    made = run(pod("watched", *shell(SERVER), livenessProbe=probe))
    cluster.execute(made, "sh", "-c", damage)
    until(lambda: restarts(api.pod("watched", namespace)) == 1, limit_s=15, what="a restart")
    reasons = {one["reason"] for one in until(lambda: api.events("watched", namespace), limit_s=5)}
    assert {"Unhealthy", "Killing"} <= reasons


def test_endpoints_follow_readiness(kubectl: Kubectl, cluster: Cluster, api: Api, namespace: str) -> None:
    probe = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    template = pod("door", *shell("touch /tmp/ready; sleep 3600"), readinessProbe=probe)
    kubectl.create(service("door", 80), controller("door", 2, template), namespace=namespace)
    until(lambda: len(api.addresses("door", namespace)) == 2, limit_s=20, what="two endpoints")
    first, second = api.ready_pods("app=door", namespace)
    cluster.execute(first, "rm", "/tmp/ready")
    until(lambda: api.addresses("door", namespace) == {second["status"]["podIP"]}, limit_s=10, what="one endpoint")
    now = api.pod(first["metadata"]["name"], namespace)
    assert now["status"]["phase"] == "Running"
    assert restarts(now) == 0
    assert "0/1" in kubectl("get", "pod", first["metadata"]["name"], "-n", namespace)
    cluster.execute(first, "touch", "/tmp/ready")
    until(lambda: len(api.addresses("door", namespace)) == 2, limit_s=10, what="two endpoints again")


@pytest.fixture
def missing_image(cluster: Cluster) -> Iterator[str]:
    """The name of an image that no registry can give; its tag is taken away at the end."""
    name = f"registry.invalid/e2e/{uuid.uuid4().hex[:8]}:1"
    yield name
    cluster.docker("rmi", name, check=False)


def test_a_missing_image_shows_and_its_coming_is_noticed(
    missing_image: str, kubectl: Kubectl, cluster: Cluster, api: Api, namespace: str
) -> None:
    kubectl.create(pod("hungry", image=missing_image), namespace=namespace)

    def status() -> str:
        return kubectl("get", "pod", "hungry", "-n", namespace, "--no-headers").split()[2]

    until(lambda: status() in ("ErrImagePull", "ImagePullBackOff"), limit_s=40, what="the lack of an image")
    until(lambda: status() == "ImagePullBackOff", limit_s=40, what="the back-off")
    assert api.pod("hungry", namespace)["status"]["phase"] == "Pending"
    told = until(lambda: _told(api, "hungry", namespace, "BackOff"), limit_s=5, what="an event")
    assert any(one.startswith(f'Failed to pull image "{missing_image}"') for one in told["Failed"])
    assert told["BackOff"] == {f'Back-off pulling image "{missing_image}"'}
    cluster.docker("tag", TEST_IMAGE, missing_image)
    until(lambda: is_ready(api.pod("hungry", namespace)), limit_s=30, what="the pod, with its image")


def _told(api: Api, name: str, namespace: str, wanted: str) -> dict[str, set[str]]:
    """The messages of the events about an object, by reason; empty until the wanted reason is among them."""
    told: dict[str, set[str]] = {}
    for event in api.events(name, namespace):
        told.setdefault(event["reason"], set()).add(event["message"])
    return told if wanted in told else {}


def test_never_pulling_an_absent_image_says_so(missing_image: str, run: Run) -> None:
    def says(one: Object) -> bool:
        statuses = one["status"].get("containerStatuses") or [{"state": {}}]
        return statuses[0]["state"].get("waiting", {}).get("reason") == "ErrImageNeverPull"

    run(pod("strict", image=missing_image, imagePullPolicy="Never"), says)


def test_a_program_that_is_not_there_says_so(run: Run) -> None:
    def says(one: Object) -> bool:
        statuses = one["status"].get("containerStatuses") or [{"state": {}, "lastState": {}}]
        told = (statuses[0]["state"].get("waiting") or {}, statuses[0].get("lastState", {}).get("terminated") or {})
        return "no-such-program" in str(told)

    run(pod("lost", "/no-such-program"), says)


def test_init_containers_run_before_the_others(run: Run) -> None:
    wanted = pod("prepared", *shell("cat /shared/word; sleep 3600"))
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    wanted["spec"]["volumes"] = [{"name": "shared", "emptyDir": {}}]
    wanted["spec"]["containers"][0]["volumeMounts"] = mounts
    wanted["spec"]["initContainers"] = [
        {
            "name": "first",
            "image": TEST_IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": list(shell("echo prepared > /shared/word")),
            "volumeMounts": mounts,
        }
    ]
    made = run(wanted)
    assert made["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_containers_of_a_pod_share_its_address(run: Run, cluster: Cluster) -> None:
    wanted = pod("pair", *shell("httpd -p 8080 -h /etc -f"))
    other = {"name": "other", "image": TEST_IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
    wanted["spec"]["containers"].append(other)
    made = run(wanted)
    said = cluster.docker(
        "exec", cluster.container(made, "other"), "wget", "-q", "-O", "-", "http://127.0.0.1:8080/hostname"
    )
    assert said == "pair\n"


def test_log_links_have_the_names_of_kubernetes(run: Run, cluster: Cluster, namespace: str) -> None:
    made = run(pod("logged", *shell("echo written; sleep 3600")))
    link = cluster.folder / "containers" / f"logged_{namespace}_main-{cluster.container(made)}.log"
    until(lambda: link.exists() and "written" in link.read_text(encoding="utf-8"), limit_s=5, what=f"{link}")


def test_limits_are_the_kernels(run: Run, cluster: Cluster) -> None:
    resources = {"limits": {"cpu": "250m", "memory": "48Mi"}}
    made = run(pod("bounded", resources=resources))
    shown = cluster.docker("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}", cluster.container(made))
    assert shown.split() == [str(48 * 2**20), "25000"]


def test_too_much_asked_stays_pending_with_an_event(run: Run, api: Api, namespace: str) -> None:
    run(pod("giant", resources={"requests": {"cpu": "500"}}), phase("Pending"))
    (event, *_) = until(lambda: api.events("giant", namespace), limit_s=10, what="an event")
    assert event["reason"] == "FailedScheduling"
    assert "Insufficient cpu" in event["message"]


def test_images_are_there_for_the_tests() -> None:
    subprocess.run(["docker", "image", "inspect", TEST_IMAGE], check=True, capture_output=True, timeout=20)
