"""ResourceQuota: what is used is counted exactly, whoever asks at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests_apiserver import Api, Running, pod

from tests.e2e.waiting import until


def quota(api: Api, namespace: str, name: str = "q", *, hard: dict[str, str], **spec: Any) -> None:
    body = {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}
    made = api.post(f"/api/v1/namespaces/{namespace}/resourcequotas", body)
    assert made.status == 201, made.data


def used(api: Api, namespace: str, name: str = "q") -> Any:
    return api.get(f"/api/v1/namespaces/{namespace}/resourcequotas/{name}").json["status"].get("used", {})


def make(api: Api, namespace: str, name: str, **spec: Any) -> Any:
    return api.post(f"/api/v1/namespaces/{namespace}/pods", pod(name, **spec))


def asking(**requests: str) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "pause:1", "resources": {"requests": requests}}]}


def test_what_is_over_the_quota_is_refused_in_kubernetes_words(admin: Api, namespace: str) -> None:
    make(admin, namespace, "a")
    quota(admin, namespace, hard={"pods": "2"})
    assert until(lambda: used(admin, namespace) == {"pods": "1"}), "what was there before counts"
    assert make(admin, namespace, "b").status == 201
    refused = make(admin, namespace, "c")
    assert refused.status == 403
    assert refused.json["message"] == (
        'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    )
    assert until(lambda: used(admin, namespace) == {"pods": "2"})
    admin.delete(f"/api/v1/namespaces/{namespace}/pods/a")
    assert make(admin, namespace, "c").status == 201


def test_of_many_clients_and_one_last_slot_exactly_one_wins(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    quota(admin, namespace, hard={"count/configmaps": "5"})
    clients = [as_user(server, "admin") for _ in range(8)]

    def one(number: int) -> int:
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        return clients[number % 8].post(path, {"metadata": {"name": f"c{number}"}}).status

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(40)))
    assert results.count(201) == 5
    assert results.count(403) == 35
    assert until(lambda: used(admin, namespace) == {"count/configmaps": "5"})


def test_a_write_that_fails_takes_nothing(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"pods": "2"})
    assert make(admin, namespace, "a").status == 201
    for _ in range(3):
        assert make(admin, namespace, "a").status == 409
        dry = admin.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod("b"))
        assert dry.status == 201
    assert make(admin, namespace, "b").status == 201
    assert admin.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod("c")).status == 403


def test_a_write_that_loses_a_race_for_its_name_gives_back_what_it_took(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    """It passes admission, and is refused by the store."""
    quota(admin, namespace, hard={"count/configmaps": "18"})
    clients = [as_user(server, "admin") for _ in range(8)]
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            document = {"metadata": {"name": f"same-{turn}"}}
            results = list(pool.map(lambda one, document=document: one.post(path, document).status, clients))
            assert sorted(results) == [201] + [409] * 7
    for number in range(8):
        assert admin.post(path, {"metadata": {"name": f"more-{number}"}}).status == 201
    assert admin.post(path, {"metadata": {"name": "over"}}).status == 403


def test_amounts_are_added_up_and_must_be_named(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"requests.cpu": "1", "memory": "1Gi"})
    bare = make(admin, namespace, "a")
    assert bare.json["message"] == (
        'pods "a" is forbidden: failed quota: q: must specify memory for: c; requests.cpu for: c'
    )
    assert make(admin, namespace, "a", **asking(cpu="600m", memory="512Mi")).status == 201
    over = make(admin, namespace, "b", **asking(cpu="600m", memory="256Mi"))
    assert over.json["message"].endswith(
        "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
    )
    assert make(admin, namespace, "b", **asking(cpu="400m", memory="512Mi")).status == 201
    assert until(lambda: used(admin, namespace) == {"requests.cpu": "1", "memory": "1Gi"})


def test_a_pod_that_has_ended_frees_what_it_used(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"pods": "1", "count/pods": "2"})
    assert make(admin, namespace, "a").status == 201
    assert make(admin, namespace, "b").status == 403
    path = f"/api/v1/namespaces/{namespace}/pods/a/status"
    assert admin.patch(path, {"status": {"phase": "Succeeded"}}, "merge").status == 200
    assert make(admin, namespace, "b").status == 201
    admin.patch(f"/api/v1/namespaces/{namespace}/pods/b/status", {"status": {"phase": "Failed"}}, "merge")
    assert "count/pods=1" in make(admin, namespace, "c").json["message"]


def test_what_was_deleted_is_free_again(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"pods": "2", "requests.cpu": "1", "services.loadbalancers": "1", "configmaps": "5"})
    path = f"/api/v1/namespaces/{namespace}"
    for name in ("a", "b"):
        assert make(admin, namespace, name, **asking(cpu="500m")).status == 201
    assert admin.post(f"{path}/services", service("s", "LoadBalancer")).status == 201
    assert admin.post(f"{path}/services", service("t", "LoadBalancer")).status == 403
    full = {"pods": "2", "requests.cpu": "1", "services.loadbalancers": "1"}
    assert until(lambda: used(admin, namespace).items() >= full.items())
    for one in ("pods/a", "pods/b", "services/s"):
        assert admin.delete(f"{path}/{one}").status == 200
    none = {"pods": "0", "requests.cpu": "0", "services.loadbalancers": "0"}
    assert until(lambda: used(admin, namespace).items() >= none.items())


def test_a_pod_that_should_have_gone_makes_room_for_another(admin: Api, namespace: str) -> None:
    """Its node is lost: nobody confirms its end, and its replacement must not wait for that."""
    quota(admin, namespace, hard={"pods": "1", "count/pods": "5"})
    assert make(admin, namespace, "a", terminationGracePeriodSeconds=1, nodeName="lost").status == 201
    assert admin.delete(f"/api/v1/namespaces/{namespace}/pods/a").status == 200
    assert make(admin, namespace, "b").status == 403, "it may still be running"
    assert until(lambda: make(admin, namespace, "b").status == 201)
    assert admin.get(f"/api/v1/namespaces/{namespace}/pods/a").status == 200
    assert until(lambda: used(admin, namespace) == {"pods": "1", "count/pods": "2"})


def test_scopes_choose_what_is_counted(admin: Api, namespace: str) -> None:
    quota(admin, namespace, "idle", hard={"pods": "1"}, scopes=["BestEffort"])
    quota(admin, namespace, "short", hard={"pods": "0"}, scopes=["Terminating"])
    term = {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
    quota(admin, namespace, "vital", hard={"pods": "0"}, scopeSelector={"matchExpressions": [term]})
    assert make(admin, namespace, "a").status == 201
    assert "exceeded quota: idle" in make(admin, namespace, "b").json["message"]
    assert make(admin, namespace, "b", **asking(cpu="1m")).status == 201
    short = make(admin, namespace, "c", activeDeadlineSeconds=5, **asking(cpu="1m"))
    assert "exceeded quota: short" in short.json["message"]
    vital = make(admin, namespace, "d", priorityClassName="system-node-critical", **asking(cpu="1m"))
    assert "exceeded quota: vital" in vital.json["message"]


def service(name: str, kind: str = "ClusterIP", ports: int = 1) -> dict[str, Any]:
    listed = [{"name": f"p{number}", "port": 80 + number} for number in range(ports)]
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": listed, "selector": {"a": "b"}}}


def test_a_change_counts_by_what_it_adds(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"services": "1", "services.nodeports": "1"})
    path = f"/api/v1/namespaces/{namespace}/services"
    assert admin.post(path, service("s", ports=2)).status == 201
    assert admin.post(path, service("t")).status == 403
    refused = admin.patch(f"{path}/s", {"spec": {"type": "NodePort"}}, "merge")
    assert refused.status == 403
    assert (
        "requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"
        in (refused.json["message"])
    )
    one = {"spec": {"type": "NodePort", "ports": [{"name": "p0", "port": 80}]}}
    assert admin.patch(f"{path}/s", one, "merge").status == 200
    assert admin.patch(f"{path}/s", {"metadata": {"labels": {"x": "y"}}}, "merge").status == 200
    assert until(lambda: used(admin, namespace) == {"services": "1", "services.nodeports": "1"})


def test_balancers_count_the_node_ports_that_they_have(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"services.loadbalancers": "3", "services.nodeports": "3"})
    path = f"/api/v1/namespaces/{namespace}/services"
    assert admin.post(path, service("all", "LoadBalancer", ports=2)).status == 201
    bare = service("none", "LoadBalancer", ports=2)
    bare["spec"]["allocateLoadBalancerNodePorts"] = False
    assert admin.post(path, bare).status == 201
    assert until(lambda: used(admin, namespace) == {"services.loadbalancers": "2", "services.nodeports": "2"})
    bare["metadata"]["name"], bare["spec"]["ports"][1]["nodePort"] = "one", 31999
    assert admin.post(path, bare).status == 201
    assert until(lambda: used(admin, namespace) == {"services.loadbalancers": "3", "services.nodeports": "3"})


def test_the_opposite_scopes_and_all_operators_of_priority_classes(admin: Api, namespace: str) -> None:
    quota(admin, namespace, "lasting", hard={"pods": "0"}, scopes=["NotTerminating", "NotBestEffort"])

    def of_class(name: str, operator: str, *values: str) -> None:
        term = {"scopeName": "PriorityClass", "operator": operator, **({"values": list(values)} if values else {})}
        quota(admin, namespace, name, hard={"pods": "10"}, scopeSelector={"matchExpressions": [term]})

    of_class("in", "In", "system-node-critical")
    of_class("not-in", "NotIn", "system-node-critical")
    of_class("any", "Exists")
    of_class("none", "DoesNotExist")
    abroad = {"topologyKey": "zone", "namespaces": ["other"], "labelSelector": {}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [abroad]}}
    quota(admin, namespace, "abroad", hard={"pods": "10"}, scopes=["CrossNamespacePodAffinity"])
    assert "exceeded quota: lasting" in make(admin, namespace, "a", **asking(cpu="1m")).json["message"]
    assert make(admin, namespace, "idle").status == 201
    assert make(admin, namespace, "short", activeDeadlineSeconds=5, **asking(cpu="1m")).status == 201
    assert make(admin, namespace, "vital", priorityClassName="system-node-critical").status == 201
    assert make(admin, namespace, "far", affinity=affinity).status == 201
    expected = {"lasting": "0", "in": "1", "not-in": "3", "any": "1", "none": "3", "abroad": "1"}
    assert until(lambda: {name: used(admin, namespace, name)["pods"] for name in expected} == expected)


def test_sidecars_add_up_and_what_a_pod_costs_beside_its_containers(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"requests.cpu": "10", "limits.cpu": "10"})

    def container(name: str, millis: int, **more: Any) -> dict[str, Any]:
        amount = {"cpu": f"{millis}m"}
        return {"name": name, "image": "i:1", "resources": {"requests": amount, "limits": amount}, **more}

    init = [
        container("early", 700),
        container("sidecar", 100, restartPolicy="Always"),
        container("late", 650),
    ]
    spec = {"initContainers": init, "containers": [container("c", 500)]}
    assert make(admin, namespace, "a", **spec).status == 201
    assert until(lambda: used(admin, namespace) == {"requests.cpu": "750m", "limits.cpu": "750m"})
    init[2] = container("late", 50)
    init[0] = container("early", 50)
    assert make(admin, namespace, "b", **spec, overhead={"cpu": "50m"}).status == 201
    assert until(lambda: used(admin, namespace) == {"requests.cpu": "1400m", "limits.cpu": "1400m"})


def test_what_is_said_of_a_pod_as_a_whole_counts_instead_of_its_containers(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"requests.cpu": "1", "limits.cpu": "2", "requests.memory": "1Gi"})
    containers = [
        {"name": "says", "image": "i:1", "resources": {"requests": {"cpu": "100m", "memory": "1Mi"}}},
        {"name": "does-not", "image": "i:1"},
    ]
    whole = {"requests": {"cpu": "600m"}, "limits": {"cpu": "1500m"}}
    assert make(admin, namespace, "a", containers=containers, resources=whole, overhead={"cpu": "50m"}).status == 201
    counted = {"requests.cpu": "650m", "limits.cpu": "1550m", "requests.memory": "1Mi"}
    assert until(lambda: used(admin, namespace) == counted)
    refused = make(admin, namespace, "b", containers=containers, resources=whole)
    assert refused.status == 403
    assert "requested: limits.cpu=1500m,requests.cpu=600m" in refused.json["message"]
    assert "must specify limits.cpu for: does-not" in make(admin, namespace, "c", containers=containers).json["message"]


def test_a_lowered_quota_refuses_more_and_takes_nothing_away(admin: Api, namespace: str) -> None:
    quota(admin, namespace, hard={"pods": "3"})
    for name in "ab":
        assert make(admin, namespace, name).status == 201
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/q"
    assert admin.patch(path, {"spec": {"hard": {"pods": "1"}}}, "merge").status == 200
    assert "used: pods=2, limited: pods=1" in make(admin, namespace, "c").json["message"]
    assert until(lambda: admin.get(path).json["status"]["hard"] == {"pods": "1"})
    assert admin.delete(path).status == 200
    assert make(admin, namespace, "c").status == 201


def test_a_restart_counts_again(new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]) -> None:
    first = new_server()
    api = as_user(first, "admin")
    quota(api, "default", hard={"pods": "1"})
    assert make(api, "default", "a").status == 201
    first.stop()
    api = as_user(new_server(data_dir=first.config.data_dir), "admin")
    assert make(api, "default", "b").status == 403
    assert until(lambda: used(api, "default") == {"pods": "1"})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hard": {"pods": "1.5"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        ({"hard": {"pods": "-1"}}, "must be greater than or equal to 0"),
        ({"hard": {"things": "1"}}, "must be a standard resource for quota"),
        ({"hard": {"pods": "1"}, "scopes": ["Often"]}, 'spec.scopes: Unsupported value: "Often"'),
        ({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}, "conflicting scopes"),
        ({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}, "unsupported scope applied to resource"),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(admin: Api, namespace: str, spec: dict[str, Any], message: str) -> None:
    refused = admin.post(f"/api/v1/namespaces/{namespace}/resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    assert refused.status == 422
    assert message in refused.json["message"]


def test_kubectl_shows_a_quota(kubectl: Callable[..., Any], admin: Api, namespace: str) -> None:
    kubectl("create", "quota", "q", "--hard=pods=2,limits.cpu=1")
    assert until(lambda: used(admin, namespace) == {"pods": "0", "limits.cpu": "0"})
    head, row = kubectl("get", "quota").stdout.splitlines()
    assert head.split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert row.split()[:5] == ["q", "pods:", "0/2", "limits.cpu:", "0/1"]
    assert kubectl("describe", "quota", "q").stdout.splitlines()[-1].split() == ["pods", "0", "2"]
