"""Cluster addresses and node ports: given out once, told where they clash, taken back."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Api, Running

from api.errors import Timeout
from master.apiserver import service_numbers
from master.apiserver.allocators import Addresses, Numbers, NumberTaken, OutOfRange, RangeFull
from master.apiserver.registry import Registry
from tests.e2e.waiting import until


def _service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def _node_port(name: str, port: int = 0) -> dict[str, Any]:
    ports = [{"port": 80} | ({"nodePort": port} if port else {})]
    return _service(name, type="NodePort", ports=ports)


@pytest.fixture
def path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def test_numbers_have_one_owner_and_go_back() -> None:
    numbers = Numbers(1, 3, reserved=(1,))
    assert {numbers.take_any("a"), numbers.take_any("b")} == {2, 3}
    with pytest.raises(RangeFull):
        numbers.take_any("c")
    with pytest.raises(NumberTaken):
        numbers.take(2, "c")
    with pytest.raises(OutOfRange):
        numbers.take(4, "c")
    numbers.give_back(2, "somebody else")
    numbers.give_back(2, numbers.owner(2) or "")
    assert numbers.take_any("c") == 2


def test_a_number_in_doubt_goes_back_unless_it_is_seen_or_taken_anew() -> None:
    numbers = Numbers(1, 3)
    for number, owner in enumerate("abc", 1):
        numbers.take(number, owner)
    lost, seen, anew = (numbers.doubt(number, owner) for number, owner in enumerate("abc", 1))
    numbers.hold(2, "b")
    numbers.give_back(3, "c")
    numbers.take(3, "c")
    assert (lost(), seen(), anew()) == (True, False, False)
    assert [numbers.owner(number) for number in (1, 2, 3)] == [None, "b", "c"]


@pytest.mark.parametrize("made", [False, True])
def test_what_a_write_took_of_which_nobody_knows_whether_it_was_made(
    admin: Api, path: str, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """It is free again when the service does not come, and only then."""
    port = 30160 + made
    real = Registry.create

    async def broken(*given: Any) -> bytes:
        if made:
            await real(*given)
        raise Timeout("nobody knows")

    monkeypatch.setattr(service_numbers, "_DOUBT_S", 0.3)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "create", broken)
        assert admin.post(path, _node_port("s", port)).status == 504
    if made:
        time.sleep(0.6)
        assert admin.post(f"{path}?dryRun=All", _node_port("t", port)).status == 422
    else:
        assert until(lambda: admin.post(f"{path}?dryRun=All", _node_port("t", port)).status == 201)


def test_neither_the_network_nor_the_broadcast_nor_the_first_address_is_given_out() -> None:
    addresses = Addresses("10.0.0.0/29")
    assert {addresses.take_any(str(n)) for n in range(5)} == {f"10.0.0.{n}" for n in range(2, 7)}
    with pytest.raises(OutOfRange):
        addresses.take("10.0.0.7", "x")


def test_a_service_gets_an_address_and_a_node_port(admin: Api, path: str) -> None:
    spec = admin.post(path, _node_port("s")).json["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert admin.post(path, _service("none", clusterIP="None")).json["spec"]["clusterIP"] == "None"
    named = admin.post(path, {"metadata": {"name": "n"}, "spec": {"type": "ExternalName", "externalName": "a.example"}})
    assert "clusterIP" not in named.json["spec"]


def test_a_taken_or_foreign_number_is_refused_with_its_path(admin: Api, path: str) -> None:
    admin.post(path, _node_port("one", 30101))
    taken = admin.post(path, _node_port("two", 30101))
    assert taken.status == 422
    assert taken.json["message"] == (
        'Service "two" is invalid: spec.ports[0].nodePort: Invalid value: 30101: provided port is already allocated'
    )
    assert taken.json["details"]["causes"][0]["field"] == "spec.ports[0].nodePort"
    outside = admin.post(path, _node_port("two", 80))
    assert outside.json["message"].endswith(
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    )
    foreign = admin.post(path, _service("two", clusterIP="192.168.0.1"))
    assert (
        'spec.clusterIPs: Invalid value: ["192.168.0.1"]: failed to allocate IP 192.168.0.1' in foreign.json["message"]
    )
    own = admin.post(path, _service("two", clusterIP="10.96.0.1"))
    assert own.json["message"].endswith("provided IP is already allocated")


def test_a_balancer_without_node_ports_of_its_own_still_takes_the_one_it_names(admin: Api, path: str) -> None:
    taken = admin.post(path, _node_port("first")).json["spec"]["ports"][0]["nodePort"]
    named = _service("second", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    named["spec"]["ports"][0]["nodePort"] = taken
    refused = admin.post(path, named)
    assert refused.status == 422
    assert "provided port is already allocated" in refused.json["message"]
    del named["spec"]["ports"][0]["nodePort"]
    assert "nodePort" not in admin.post(path, named).json["spec"]["ports"][0]


def test_a_refused_service_gives_back_what_it_took(admin: Api, path: str) -> None:
    two = {"ports": [{"name": "a", "port": 80, "nodePort": 30111}, {"name": "b", "port": 81, "nodePort": 80}]}
    assert admin.post(path, _service("two", type="NodePort", **two)).status == 422
    assert admin.post(path, _node_port("one", 30111)).status == 201


def test_two_creates_at_once_never_get_the_same_port(server: Running, admin: Api, path: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: admin.post(path, _node_port(f"s{n}", 30121)).status, range(8)))
    assert sorted(answers) == [201] + [422] * 7


def test_numbers_are_free_again_after_a_delete_or_a_change_of_type(admin: Api, path: str) -> None:
    first = admin.post(path, _node_port("s", 30131)).json["spec"]["clusterIP"]
    admin.delete(f"{path}/s")
    assert admin.post(path, _node_port("t", 30131) | {"metadata": {"name": "t"}}).status == 201
    assert admin.post(path, _service("same", clusterIP=first)).status == 201
    changed = admin.patch(f"{path}/t", {"spec": {"type": "ClusterIP", "ports": None}} | {}, "merge")
    assert changed.status == 422
    back = admin.patch(f"{path}/t", {"spec": {"type": "ClusterIP"}}, "merge")
    assert back.status == 200, back.data
    assert "nodePort" not in back.json["spec"]["ports"][0]
    assert admin.post(path, _node_port("u", 30131)).status == 201


def test_an_update_that_leaves_numbers_out_keeps_them(admin: Api, path: str) -> None:
    made = admin.post(path, _node_port("s")).json
    changed = admin.put(f"{path}/s", _service("s", type="NodePort", selector={"a": "b"}))
    assert changed.status == 200, changed.data
    assert changed.json["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert changed.json["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]
    moved = admin.patch(f"{path}/s", {"spec": {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"]}}, "merge")
    assert moved.status == 422
    assert "may not change once set" in moved.json["message"]


def _balancer(name: str, policy: str = "Local", **spec: Any) -> dict[str, Any]:
    return _service(name, type="LoadBalancer", externalTrafficPolicy=policy, **spec)


def _is_free(admin: Api, path: str, port: int) -> bool:
    answer = admin.post(f"{path}?dryRun=All", _node_port("probe", port))
    return answer.status == 201


def test_a_balancer_with_the_policy_local_gets_a_health_check_port_for_itself(admin: Api, path: str) -> None:
    made = admin.post(path, _balancer("s")).json["spec"]
    port = made["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    assert port != made["ports"][0]["nodePort"]
    assert not _is_free(admin, path, port)
    assert "healthCheckNodePort" not in admin.post(path, _balancer("t", "Cluster")).json["spec"]
    asked = admin.post(path, _balancer("u", healthCheckNodePort=30171))
    assert asked.json["spec"]["healthCheckNodePort"] == 30171
    taken = admin.post(path, _balancer("v", healthCheckNodePort=30171))
    (cause,) = taken.json["details"]["causes"]
    assert (taken.status, cause["field"]) == (422, "spec.healthCheckNodePort")
    foreign = admin.post(path, _service("w", type="NodePort", healthCheckNodePort=30172))
    assert "may only be set when `type` is 'LoadBalancer'" in foreign.json["message"]
    assert _is_free(admin, path, 30172)


def test_a_health_check_port_goes_back_with_the_policy_or_the_service(admin: Api, path: str) -> None:
    port = admin.post(path, _balancer("s")).json["spec"]["healthCheckNodePort"]
    kept = admin.put(f"{path}/s", _balancer("s")).json["spec"]
    assert kept["healthCheckNodePort"] == port
    moved = admin.patch(f"{path}/s", {"spec": {"healthCheckNodePort": port - 1 if port > 30000 else port + 1}})
    assert "spec.healthCheckNodePort: Forbidden: field is immutable" in moved.json["message"]
    changed = admin.patch(f"{path}/s", {"spec": {"externalTrafficPolicy": "Cluster"}})
    assert "healthCheckNodePort" not in changed.json["spec"]
    until(lambda: _is_free(admin, path, port))
    again = admin.patch(f"{path}/s", {"spec": {"externalTrafficPolicy": "Local"}}).json["spec"]["healthCheckNodePort"]
    admin.delete(f"{path}/s")
    until(lambda: _is_free(admin, path, again))
    last = admin.post(path, _balancer("s")).json["spec"]["healthCheckNodePort"]
    plain = admin.patch(f"{path}/s", {"spec": {"type": "ClusterIP"}})
    assert plain.status == 200, plain.data
    assert not {"healthCheckNodePort", "allocateLoadBalancerNodePorts"} & plain.json["spec"].keys()
    until(lambda: _is_free(admin, path, last))


def test_numbers_in_use_are_known_after_a_restart(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    path = "/api/v1/namespaces/default/services"
    as_user(first, "admin").post(path, _node_port("s", 30141))
    as_user(first, "admin").post(path, _balancer("b", healthCheckNodePort=30142))
    first.stop()
    again = as_user(new_server(data_dir=first.config.data_dir), "admin")
    assert again.post(path, _node_port("t", 30141)).status == 422
    assert again.post(path, _node_port("t", 30142)).status == 422


def test_the_cluster_begins_with_its_namespaces_and_its_own_service(server: Running, admin: Api) -> None:
    names = {item["metadata"]["name"] for item in admin.get("/api/v1/namespaces").json["items"]}
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names
    service = admin.get("/api/v1/namespaces/default/services/kubernetes").json
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    assert service["spec"]["ports"][0]["targetPort"] == server.api.port
    subset = admin.get("/api/v1/namespaces/default/endpoints/kubernetes").json["subsets"][0]
    assert subset["addresses"] == [{"ip": "127.0.0.1"}]
    assert subset["ports"][0]["port"] == server.api.port


def test_a_start_puts_the_own_endpoints_right(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    port = first.api.port
    first.stop()
    second = new_server(data_dir=first.config.data_dir)
    assert second.api.port != port
    endpoints = as_user(second, "admin").get("/api/v1/namespaces/default/endpoints/kubernetes").json
    assert endpoints["subsets"][0]["ports"][0]["port"] == second.api.port


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
        ),
        (
            {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]},
            'spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster',
        ),
        ({"clusterIP": "None", "selector": {"a": "b"}, "ipFamilies": ["IPv6"]}, "not configured on this cluster"),
        ({"clusterIP": "fd00::1"}, "failed to allocate IP fd00::1: the provided IP is not in the valid range"),
        (
            {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77", "fd00::1"]},
            "IPv6 is not configured on this cluster",
        ),
        ({"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.78"]}, "first value must match `clusterIP`"),
        (
            {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77", "10.96.0.78"]},
            "may specify no more than one IP for each IP family",
        ),
        ({"ipFamilies": ["IPv4", "IPv4"]}, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
        ({"ipFamilies": ["IPv5"]}, 'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'),
        ({"ipFamilies": ["IPv4", "IPv6"]}, "must be 'RequireDualStack' or 'PreferDualStack'"),
        (
            {"type": "ExternalName", "externalName": "a.example", "ports": [], "ipFamilies": ["IPv4"]},
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
        ),
    ],
)
def test_what_needs_another_family_than_ipv4_is_refused(admin: Api, path: str, spec: dict[str, Any], told: str) -> None:
    refused = admin.post(path, _service("six", **spec))
    assert refused.status == 422
    assert told in refused.json["message"]


def test_two_families_are_taken_where_one_does_or_where_the_service_has_no_address(admin: Api, path: str) -> None:
    either = admin.post(path, _service("either", ipFamilyPolicy="PreferDualStack")).json["spec"]
    assert (either["ipFamilyPolicy"], either["ipFamilies"]) == ("PreferDualStack", ["IPv4"])
    by_hand = admin.post(path, _service("by-hand", clusterIP="None")).json["spec"]
    assert (by_hand["ipFamilyPolicy"], by_hand["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])


def test_a_service_that_becomes_a_name_has_no_families(admin: Api, path: str) -> None:
    admin.post(path, _service("turns"))
    turn = {"spec": {"type": "ExternalName", "externalName": "a.example"}}
    spec = admin.patch(f"{path}/turns", turn).json["spec"]
    assert not spec.keys() & {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}
