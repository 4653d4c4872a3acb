"""The Python clients that people use, as they come: kubernetes, kubernetes-asyncio, kr8s, lightkube."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kr8s
import kubernetes
import kubernetes_asyncio
import lightkube
import pytest
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from tests_apiserver import pod

# The clients leave sockets and warn of their own calls; that is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def client(kubeconfig: Path) -> Iterator[kubernetes.client.ApiClient]:
    with kubernetes.config.new_client_from_config(str(kubeconfig)) as api:
        yield api


def test_kubernetes_reads_and_writes_typed_objects(client: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(client)
    made = core.create_namespaced_pod(namespace, pod("web"))
    assert (made.status.phase, made.spec.restart_policy) == ("Pending", "Always")
    assert core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"x": "y"}}}).metadata.labels["x"] == "y"
    assert [item.metadata.name for item in core.list_namespaced_pod(namespace, label_selector="x=y").items] == ["web"]
    body = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name="web"))
    core.create_namespaced_pod_eviction("web", namespace, body)
    with pytest.raises(kubernetes.client.ApiException) as refusal:
        core.read_namespaced_pod("web", namespace)
    assert refusal.value.status == 404
    apps = kubernetes.client.AppsV1Api(client)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    apps.create_namespaced_deployment(namespace, {"metadata": {"name": "web"}, "spec": spec})
    assert apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}}).spec.replicas == 3
    assert apps.read_namespaced_deployment("web", namespace).spec.strategy.type == "RollingUpdate"
    assert kubernetes.client.VersionApi(client).get_code().major == "1"


def test_kubernetes_watches(client: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(client)
    watch = kubernetes.watch.Watch()
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "first"}})
    seen = []
    for event in watch.stream(
        core.list_namespaced_config_map, namespace, timeout_seconds=20, allow_watch_bookmarks=True
    ):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 1:
            core.create_namespaced_config_map(namespace, {"metadata": {"name": "second"}})
        elif len(seen) == 2:
            core.delete_namespaced_config_map("second", namespace)
        else:
            watch.stop()
    assert seen == [("ADDED", "first"), ("ADDED", "second"), ("DELETED", "second")]


def test_the_dynamic_client_finds_its_kinds(client: Any, namespace: str, tmp_path: Path) -> None:
    dynamic = DynamicClient(client, cache_file=str(tmp_path / "discovery"))
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create(body={"metadata": {"name": "c"}, "data": {"a": "b"}}, namespace=namespace)
    stale = {"metadata": {"name": "c", "resourceVersion": made.metadata.resourceVersion}, "data": {"a": "c"}}
    maps.replace(body=stale, namespace=namespace)
    with pytest.raises(ConflictError):
        maps.replace(body=stale, namespace=namespace)
    merged = maps.patch(
        body={"metadata": {"name": "c"}, "data": {"d": "e"}},
        namespace=namespace,
        content_type="application/merge-patch+json",
    )
    assert merged.data.to_dict() == {"a": "c", "d": "e"}
    sets = dynamic.resources.get(api_version="apps/v1", kind="ReplicaSet")
    assert sets.get(namespace=namespace).items == []
    assert maps.delete(name="c", namespace=namespace).status == "Success"


def test_kubernetes_asyncio_lists_and_watches(kubeconfig: Path, namespace: str) -> None:
    async def work() -> list[tuple[str, str]]:
        await kubernetes_asyncio.config.load_kube_config(str(kubeconfig))
        async with kubernetes_asyncio.client.ApiClient() as api:
            core = kubernetes_asyncio.client.CoreV1Api(api)
            await core.create_namespaced_config_map(namespace, {"metadata": {"name": "c"}})
            listed = await core.list_namespaced_config_map(namespace)
            assert [item.metadata.name for item in listed.items] == ["c"]
            seen = []
            async with kubernetes_asyncio.watch.Watch().stream(
                core.list_namespaced_config_map, namespace, timeout_seconds=20
            ) as stream:
                async for event in stream:
                    seen.append((event["type"], event["object"].metadata.name))
                    if len(seen) == 2:
                        break
                    await core.delete_namespaced_config_map("c", namespace)
            return seen

    assert asyncio.run(work()) == [("ADDED", "c"), ("DELETED", "c")]


def test_kr8s_makes_waits_and_scales(kubeconfig: Path, namespace: str) -> None:
    api = kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)
    assert api.version()["major"] == "1"
    web = kr8s.objects.Pod({**pod("web"), "metadata": {"name": "web", "namespace": namespace}}, api=api)
    web.create()
    assert web.exists()
    web.label({"x": "y"})
    assert [item.name for item in api.get("pods", namespace=namespace, label_selector={"x": "y"})] == ["web"]
    web.delete()
    web.wait("delete", timeout=20)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployment = kr8s.objects.Deployment({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    deployment.create()
    found = next(iter(api.get("deploy", "web", namespace=namespace)))
    assert found.replicas == 1
    assert {"pods", "deployments"} <= {item["name"] for item in api.api_resources()}


def test_lightkube_makes_patches_and_watches(kubeconfig: Path, namespace: str) -> None:
    client = lightkube.Client(config=lightkube.KubeConfig.from_file(str(kubeconfig)), namespace=namespace)
    spec = PodSpec(containers=[Container(name="c", image="pause:1")])
    client.create(Pod(metadata=ObjectMeta(name="web"), spec=spec))
    assert client.get(Pod, "web").status.phase == "Pending"
    client.patch(Pod, "web", {"metadata": {"labels": {"x": "y"}}})
    assert [item.metadata.name for item in client.list(Pod, labels={"x": "y"}, chunk_size=1)] == ["web"]
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web"}), spec=spec)
    deployment = DeploymentSpec(selector=LabelSelector(matchLabels={"app": "web"}), template=template)
    client.create(Deployment(metadata=ObjectMeta(name="web"), spec=deployment))
    scale = client.get(Deployment.Scale, "web")
    scale.spec.replicas = 4
    assert client.replace(scale, "web").spec.replicas == 4
    begun = threading.Timer(0.2, lambda: client.create(ConfigMap(metadata=ObjectMeta(name="late"))))
    begun.start()
    for event, item in client.watch(ConfigMap, server_timeout=20):
        assert (event, item.metadata.name) == ("ADDED", "late")
        break
    begun.join()
    client.delete(Pod, "web")
