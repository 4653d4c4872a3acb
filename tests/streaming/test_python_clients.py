"""The Python clients that people use talk to a container: exec, logs, attach, port-forward, wait, proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import kr8s
import kubernetes
import kubernetes_asyncio
import lightkube
import pytest
import requests
from kubernetes.stream import stream
from lightkube.core.exceptions import ApiError as LightkubeError
from lightkube.models.core_v1 import Container
from lightkube.models.core_v1 import PodSpec as LightkubePodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod as LightkubePod

from tests.agent.sockets import free_port
from tests.e2e.clusters import Cluster
from tests.e2e.doors import Object
from tests.e2e.guestbook import TEST_IMAGE
from tests.e2e.waiting import until
from tests.streaming.conftest import PAGE

# The clients leave sockets and warn of their own calls; that is theirs to mend.
pytestmark = [pytest.mark.docker, pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]
LIMIT_S = 60
COUNT = ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 3600"]


@pytest.fixture
def core(cluster: Cluster) -> Iterator[Any]:
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as client:
        yield kubernetes.client.CoreV1Api(client)


@pytest.fixture
def light(cluster: Cluster) -> lightkube.Client:
    return lightkube.Client(config=lightkube.KubeConfig.from_file(str(cluster.kubeconfig)), namespace="default")


@pytest.fixture
def eight(cluster: Cluster) -> Any:
    return kr8s.api(kubeconfig=str(cluster.kubeconfig), namespace="default")


@pytest.fixture
def talker(web: Object, core: Any) -> Iterator[str]:
    """A pod that prints three lines and stays."""
    container = {"name": "c", "image": TEST_IMAGE, "imagePullPolicy": "Never", "command": COUNT}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    made = core.create_namespaced_pod("default", {"metadata": {"generateName": "talker-"}, "spec": spec})
    yield made.metadata.name
    core.delete_namespaced_pod(made.metadata.name, "default")


def test_kubernetes_attaches_and_follows_logs(core: Any, web: Object, talker: str) -> None:
    session = stream(core.connect_get_namespaced_pod_attach, "web", "default", container="echo", stdin=True,
                     stdout=True, stderr=True, tty=False, _preload_content=False)  # fmt: skip
    session.write_stdin("hello\n")
    assert session.readline_stdout(timeout=LIMIT_S) == "got hello"
    session.close()
    _wait_ready(core, talker)
    followed = kubernetes.watch.Watch().stream(core.read_namespaced_pod_log, talker, "default")
    assert [next(followed) for _ in range(3)] == ["line 1", "line 2", "line 3"]
    assert core.read_namespaced_pod_log(talker, "default", tail_lines=1) == "line 3\n"
    proxied = core.connect_get_namespaced_pod_proxy_with_path("web:8081", "default", path="/")
    assert proxied.strip() == "other"


def _wait_ready(core: Any, name: str) -> None:
    """As people wait with this client: by a watch of the one pod."""
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        core.list_namespaced_pod, "default", field_selector=f"metadata.name={name}", timeout_seconds=LIMIT_S
    ):
        conditions = {one.type: one.status for one in event["object"].status.conditions or []}
        if conditions.get("Ready") == "True":
            watch.stop()
            return
    raise AssertionError(f"{name} was not ready in time")


def test_kubernetes_asyncio_runs_a_command_and_reads_logs(
    cluster: Cluster, web: Object, talker: str, core: Any
) -> None:
    _wait_ready(core, talker)

    async def work() -> tuple[str, list[bytes]]:
        await kubernetes_asyncio.config.load_kube_config(str(cluster.kubeconfig))
        async with kubernetes_asyncio.stream.WsApiClient() as sockets:
            streams = kubernetes_asyncio.client.CoreV1Api(sockets)
            said: str = await streams.connect_get_namespaced_pod_exec(
                "web", "default", command=["sh", "-c", "echo out; echo err >&2"], container="main",
                stdout=True, stderr=True, stdin=False, tty=False,
            )  # fmt: skip
        async with kubernetes_asyncio.client.ApiClient() as plain:
            answer = await kubernetes_asyncio.client.CoreV1Api(plain).read_namespaced_pod_log(
                talker, "default", follow=True, _preload_content=False
            )
            lines = [await answer.content.readline() for _ in range(3)]
            answer.release()
        return said, lines

    said, lines = asyncio.run(asyncio.wait_for(work(), LIMIT_S))
    assert sorted(said.split()) == ["err", "out"]
    assert lines == [b"line 1\n", b"line 2\n", b"line 3\n"]


def test_kr8s_waits_runs_logs_and_forwards(eight: Any, web: Object, talker: str) -> None:
    found = kr8s.objects.Pod.get(talker, namespace="default", api=eight)
    found.wait("condition=Ready", timeout=LIMIT_S)
    assert found.ready()
    until(lambda: list(found.logs(tail_lines=2)) == ["line 2", "line 3"])
    # It offers a protocol in which its own stdin cannot be: only what a command says is tried.
    done = found.exec(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
    assert found.exec(["false"], check=False).returncode == 1
    page = kr8s.objects.Pod.get("web", namespace="default", api=eight)
    with page.portforward(8080, local_port=free_port()) as port:
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=LIMIT_S).text.strip() == PAGE


def test_lightkube_waits_runs_and_logs(light: lightkube.Client, web: Object) -> None:
    container = Container(name="c", image=TEST_IMAGE, imagePullPolicy="Never", command=COUNT)
    spec = LightkubePodSpec(containers=[container], terminationGracePeriodSeconds=0)
    name = light.create(LightkubePod(metadata=ObjectMeta(generateName="light-"), spec=spec)).metadata.name
    try:
        ready = light.wait(LightkubePod, name, for_conditions=["Ready"])
        assert ready.status.phase == "Running"
        until(lambda: list(light.log(name, newlines=False)) == ["line 1", "line 2", "line 3"])
        done = light.exec(
            name, command=["sh", "-c", "cat; echo err >&2; exit 3"], stdin="typed", stdout=True, stderr=True
        )
        assert (done.stdout, done.stderr, done.exit_code) == ("typed", "err\n", 3)
        with pytest.raises(LightkubeError, match="container nope is not valid for pod"):
            list(light.log(name, container="nope"))
    finally:
        light.delete(LightkubePod, name)
