"""What people write with the Python clients every day: selectors, pages, every kind of patch, conflicts, refusals,
watches that go on, waiting, deletion of many, dry runs."""

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
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, UnprocessibleEntityError
from lightkube import operators
from lightkube.core.exceptions import ApiError as LightkubeError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Event, Namespace, Pod
from lightkube.types import CascadeType, PatchType
from tests_apiserver import Api, pod

# The clients leave sockets and warn of their own calls; that is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
LIMIT_S = 60
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def core(kubeconfig: Path) -> Iterator[Any]:
    with kubernetes.config.new_client_from_config(str(kubeconfig)) as api:
        yield kubernetes.client.CoreV1Api(api)


@pytest.fixture
def light(kubeconfig: Path, namespace: str) -> lightkube.Client:
    return lightkube.Client(config=lightkube.KubeConfig.from_file(str(kubeconfig)), namespace=namespace)


@pytest.fixture
def eight(kubeconfig: Path, namespace: str) -> Any:
    return kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)


def maps(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "b"}}


def test_kubernetes_lists_by_selectors_in_pages_and_everywhere(core: Any, namespace: str) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, maps(f"m{number}", tier="even" if number % 2 == 0 else "odd"))
    pages, token = [], None
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        pages.append([item.metadata.name for item in page.items])
        token = page.metadata._continue
        if not token:
            break
    assert pages == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    chosen = core.list_namespaced_config_map(namespace, label_selector="tier in (odd),tier!=even")
    assert [item.metadata.name for item in chosen.items] == ["m1", "m3"]
    (one,) = core.list_config_map_for_all_namespaces(
        field_selector=f"metadata.namespace={namespace},metadata.name=m2"
    ).items
    assert one.data == {"a": "b"}
    everywhere = core.list_namespaced_config_map("").items
    assert {"m0", "m4"} <= {item.metadata.name for item in everywhere}, "an empty namespace means all"
    core.delete_collection_namespaced_config_map(namespace, label_selector="tier=odd")
    assert len(core.list_namespaced_config_map(namespace, label_selector="tier").items) == 3


def test_kubernetes_patches_in_each_form_and_tells_what_was_refused(core: Any, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("web"))
    added = core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"x": "y"}}})
    assert added.metadata.labels["x"] == "y"
    steps = [
        {"op": "replace", "path": "/metadata/labels/x", "value": "z"},
        {"op": "test", "path": "/kind", "value": "Pod"},
    ]
    assert core.patch_namespaced_pod("web", namespace, steps).metadata.labels["x"] == "z"
    for content, body in (
        ("application/merge-patch+json", {"metadata": {"labels": None}}),
        ("application/strategic-merge-patch+json", {"spec": {"containers": [{"name": "c", "image": "x:2"}]}}),
    ):
        patched = core.patch_namespaced_pod("web", namespace, body, _content_type=content)
        assert patched.metadata.name == "web"
    assert (patched.metadata.labels, patched.spec.containers[0].image) == (None, "x:2")
    with pytest.raises(ApiException) as refusal:
        core.patch_namespaced_pod("web", namespace, {"spec": {"restartPolicy": "Never"}})
    assert (refusal.value.status, refusal.value.reason) == (422, "Unprocessable Entity")
    assert '"reason":"Invalid"' in refusal.value.body.replace(" ", "")
    stale = core.read_namespaced_pod("web", namespace)
    core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"n": "1"}}})
    with pytest.raises(ApiException) as conflict:
        core.replace_namespaced_pod("web", namespace, stale)
    assert conflict.value.status == 409
    assert core.create_namespaced_pod(namespace, pod("dry"), dry_run="All").metadata.name == "dry"
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_pod("dry", namespace)
    assert missing.value.status == 404
    status = core.patch_namespaced_pod_status("web", namespace, {"status": READY})
    assert (status.status.phase, status.status.conditions[0].type) == ("Running", "Ready")
    deleted = core.delete_namespaced_pod("web", namespace, grace_period_seconds=0, propagation_policy="Background")
    assert deleted.metadata.name == "web"


def test_kubernetes_goes_on_with_a_watch_where_it_was(core: Any, namespace: str) -> None:
    first = core.list_namespaced_config_map(namespace)
    core.create_namespaced_config_map(namespace, maps("one"))
    core.create_namespaced_config_map(namespace, maps("two"))
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=first.metadata.resource_version,
        timeout_seconds=LIMIT_S,
    ):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            watch.stop()
    assert seen == [("ADDED", "one"), ("ADDED", "two")]
    over = kubernetes.watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1)
    assert [event["object"].metadata.name for event in over] == ["one", "two"], "and it ends when its time is over"


def test_kubernetes_utilities_create_from_a_file(core: Any, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text("\n---\n".join(f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}" for name in "ab"))
    kubernetes.utils.create_from_yaml(core.api_client, str(file), namespace=namespace)
    assert [item.metadata.name for item in core.list_namespaced_config_map(namespace).items] == ["a", "b"]
    with pytest.raises(kubernetes.utils.FailToCreateError, match="AlreadyExists"):
        kubernetes.utils.create_from_yaml(core.api_client, str(file), namespace=namespace)


def test_the_dynamic_client_lists_watches_patches_and_reaches_subresources(
    core: Any, namespace: str, tmp_path: Path
) -> None:
    dynamic = DynamicClient(core.api_client, cache_file=str(tmp_path / "discovery"))
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployments.create(body={"metadata": {"name": "web", "labels": {"x": "y"}}, "spec": spec}, namespace=namespace)
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
    assert deployments.scale.replace(name="web", namespace=namespace, body=scale).spec.replicas == 3
    status = {"metadata": {"name": "web"}, "status": {"replicas": 2}}
    told = deployments.status.patch(
        name="web", namespace=namespace, body=status, content_type="application/merge-patch+json"
    )
    assert told.status.replicas == 2
    steps = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]
    patched = deployments.patch(name="web", namespace=namespace, body=steps, content_type="application/json-patch+json")
    assert patched.metadata.annotations.a == "b"
    assert [item.metadata.name for item in deployments.get(namespace=namespace, label_selector="x=y").items] == ["web"]
    seen = [event["type"] for event in deployments.watch(namespace=namespace, timeout=1)]
    assert seen == ["ADDED"]
    with pytest.raises(NotFoundError):
        deployments.get(name="nosuch", namespace=namespace)
    with pytest.raises(UnprocessibleEntityError, match="must be greater than or equal to 0"):
        deployments.patch(name="web", namespace=namespace, body={"spec": {"replicas": -1}},
                          content_type="application/merge-patch+json")  # fmt: skip
    everything = dynamic.resources.search(kind="Pod")
    assert {one.group_version for one in everything} == {"v1"}
    assert dynamic.version["kubernetes"]["major"] == "1"


def test_kubernetes_asyncio_patches_pages_conflicts_and_waits(kubeconfig: Path, namespace: str, admin: Api) -> None:
    async def work() -> None:
        await kubernetes_asyncio.config.load_kube_config(str(kubeconfig))
        async with kubernetes_asyncio.client.ApiClient() as api:
            core = kubernetes_asyncio.client.CoreV1Api(api)
            await asyncio.gather(
                *(core.create_namespaced_config_map(namespace, maps(f"m{n}", x="y")) for n in range(20))
            )
            names, token = [], None
            while token != "":
                page = await core.list_namespaced_config_map(namespace, label_selector="x", limit=7, _continue=token)
                names += [item.metadata.name for item in page.items]
                token = page.metadata._continue or ""
            assert len(set(names)) == 20
            stale = await core.read_namespaced_config_map("m1", namespace)
            await core.patch_namespaced_config_map("m1", namespace, {"data": {"a": "c"}})
            with pytest.raises(kubernetes_asyncio.client.ApiException) as conflict:
                await core.replace_namespaced_config_map("m1", namespace, stale)
            assert conflict.value.status == 409
            steps = [{"op": "replace", "path": "/data/a", "value": "d"}]
            assert (await core.patch_namespaced_config_map("m1", namespace, steps)).data == {"a": "d"}
            await core.create_namespaced_pod(namespace, pod("web"))
            admin.patch(f"/api/v1/namespaces/{namespace}/pods/web/status", {"status": READY})
            async with kubernetes_asyncio.watch.Watch().stream(
                core.list_namespaced_pod, namespace, field_selector="metadata.name=web", timeout_seconds=LIMIT_S
            ) as stream:
                async for event in stream:
                    if event["object"].status.phase == "Running":
                        break
            await core.delete_collection_namespaced_config_map(namespace, label_selector="x=y")
            assert (await core.list_namespaced_config_map(namespace, label_selector="x=y")).items == []
            apps = kubernetes_asyncio.client.AppsV1Api(api)
            with pytest.raises(kubernetes_asyncio.client.ApiException) as refusal:
                await apps.create_namespaced_deployment(namespace, {"metadata": {"name": "x"}, "spec": {
                    "selector": {}, "template": {}}})  # fmt: skip
            assert refusal.value.status == 422

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))


def test_kr8s_selects_patches_annotates_watches_and_tells_refusals(eight: Any, namespace: str, admin: Api) -> None:
    def made(name: str, **labels: str) -> Any:
        found = kr8s.objects.ConfigMap({**maps(name, **labels)} | {"metadata": {
            "name": name, "namespace": namespace, "labels": labels}}, api=eight)  # fmt: skip
        found.create()
        return found

    one, two = made("one", tier="web"), made("two", tier="db")
    chosen = eight.get("configmaps", namespace=namespace, label_selector="tier in (web)")
    assert [item.name for item in chosen] == ["one"]
    (by_field,) = eight.get("cm", namespace=namespace, field_selector={"metadata.name": "two"})
    assert by_field.data == {"a": "b"}
    one.annotate({"note": "1"})
    one.patch({"data": {"a": "c"}})
    one.patch([{"op": "add", "path": "/data/d", "value": "e"}], type="json")
    one.refresh()
    assert (one.raw["data"], one.annotations["note"]) == ({"a": "c", "d": "e"}, "1")
    one.set_owner(two)
    assert one.raw["metadata"]["ownerReferences"][0]["name"] == "two"
    web = kr8s.objects.Pod({**pod("web"), "metadata": {"name": "web", "namespace": namespace}}, api=eight)
    web.create()
    later = threading.Timer(0.3, lambda: admin.patch(
        f"/api/v1/namespaces/{namespace}/pods/web/status", {"status": READY}))  # fmt: skip
    later.start()
    web.wait(["condition=Ready", "jsonpath='{.status.phase}'=Running"], mode="all", timeout=LIMIT_S)
    later.join()
    for event, item in eight.watch("pods", namespace=namespace):
        assert (event, item.name) == ("ADDED", "web")
        break
    with pytest.raises(kr8s.NotFoundError):
        kr8s.objects.Pod.get("nosuch", namespace=namespace, api=eight)
    with pytest.raises(kr8s.ServerError, match="already exists"):
        made("two")
    every = {item.name for item in eight.get("configmaps", namespace=kr8s.ALL)}
    assert {"one", "two"} <= every
    assert eight.whoami() == "kubernetes-admin"
    assert kr8s.objects.Namespace.get(namespace, api=eight).exists()


def test_lightkube_pages_patches_in_each_form_and_deletes_many(light: lightkube.Client, namespace: str) -> None:
    for number in range(4):
        labels = {"tier": "web" if number else "db", "n": str(number)}
        light.create(ConfigMap(metadata=ObjectMeta(name=f"m{number}", labels=labels), data={"a": "b"}))
    listed = light.list(
        ConfigMap, labels={"tier": operators.not_equal("db"), "n": operators.in_(["1", "2"])}, chunk_size=1
    )
    assert [item.metadata.name for item in listed] == ["m1", "m2"]
    assert listed.resourceVersion
    assert [one.metadata.name for one in light.list(ConfigMap, fields={"metadata.name": "m3"})] == ["m3"]
    for kind, body in (
        (PatchType.STRATEGIC, {"data": {"s": "1"}}),
        (PatchType.MERGE, {"data": {"m": "1", "a": None}}),
        (PatchType.JSON, [{"op": "move", "from": "/data/m", "path": "/data/j"}]),
    ):
        patched = light.patch(ConfigMap, "m1", body, patch_type=kind)
    assert patched.data == {"s": "1", "j": "1"}
    stale = light.get(ConfigMap, "m1")
    light.patch(ConfigMap, "m1", {"data": {"s": "2"}})
    with pytest.raises(LightkubeError) as conflict:
        light.replace(stale)
    assert (conflict.value.status.code, conflict.value.status.reason) == (409, "Conflict")
    with pytest.raises(LightkubeError, match="not found"):
        light.get(ConfigMap, "nosuch")
    generic = create_namespaced_resource("", "v1", "ConfigMap", "configmaps")
    assert light.get(generic, "m2")["data"] == {"a": "b"}
    light.delete(ConfigMap, "m0", cascade=CascadeType.FOREGROUND, grace_period=0)
    # The garbage collector takes the finalizer away; here is none.
    assert light.get(ConfigMap, "m0").metadata.finalizers == ["foregroundDeletion"]
    light.patch(ConfigMap, "m0", {"metadata": {"finalizers": None}}, patch_type=PatchType.MERGE)
    light.deletecollection(ConfigMap)
    assert list(light.list(ConfigMap, labels={"tier": operators.exists()})) == []
    assert namespace not in {one.metadata.namespace for one in light.list(Event, namespace="*")}
    assert light.get(Namespace, namespace).status.phase == "Active"


def test_lightkube_watches_on_from_a_list_and_waits(light: lightkube.Client, namespace: str, admin: Api) -> None:
    light.create(Pod.from_dict({**pod("web"), "metadata": {"name": "web"}}))
    listed = light.list(Pod)
    version = (list(listed), listed.resourceVersion)[1]
    path = f"/api/v1/namespaces/{namespace}/pods/web/status"
    later = threading.Timer(0.3, lambda: admin.patch(path, {"status": READY}))
    later.start()
    assert light.wait(Pod, "web", for_conditions=["Ready"]).status.phase == "Running"
    later.join()
    for event, item in light.watch(Pod, resource_version=version, server_timeout=LIMIT_S):
        assert (event, item.status.phase) == ("MODIFIED", "Running")
        break


def test_lightkube_works_asynchronously(kubeconfig: Path, namespace: str) -> None:
    async def work() -> list[str]:
        config = lightkube.KubeConfig.from_file(str(kubeconfig))
        client = lightkube.AsyncClient(config=config, namespace=namespace)
        for name in "ab":
            await client.create(ConfigMap(metadata=ObjectMeta(name=name)))
        names = [item.metadata.name async for item in client.list(ConfigMap, chunk_size=1)]
        await client.aclose()
        return names

    assert asyncio.run(asyncio.wait_for(work(), LIMIT_S)) == ["a", "b"]
