"""RBAC on a whole server: what is written decides at once, in the namespace or everywhere."""

from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Api, Running, pod

from master.apiserver.authentication.user import User
from master.apiserver.authorization.authorizer import Act
from tests.e2e.waiting import until

RBAC = "/apis/rbac.authorization.k8s.io/v1"
Person = Callable[..., Api]


def rule(verbs: str, resources: str, *, group: str = "", names: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return found | ({"resourceNames": names.split()} if names else {})


def role(name: str, *rules: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, role_name: str, *subjects: dict[str, str], role_kind: str = "Role") -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": list(subjects)}


def user(name: str) -> dict[str, str]:
    return {"kind": "User", "name": name}


def put(api: Api, path: str, body: Any) -> Any:
    made = api.post(path, body)
    assert made.status == 201, made.data
    return made.json


def test_a_role_allows_in_its_namespace_and_nowhere_else(admin: Api, person: Person, namespace: str) -> None:
    jane = person("jane-one")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    refused = jane.get(pods)
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
    put(admin, f"{RBAC}/namespaces/{namespace}/roles", role("reader", rule("get list", "pods")))
    put(admin, f"{RBAC}/namespaces/{namespace}/rolebindings", binding("b", "reader", user("jane-one")))
    assert jane.get(pods).status == 200
    assert jane.get("/api/v1/pods").status == 403
    assert jane.get("/api/v1/namespaces/default/pods").status == 403
    assert jane.post(pods, pod("a")).status == 403
    assert admin.delete(f"{RBAC}/namespaces/{namespace}/rolebindings/b").status == 200
    assert jane.get(pods).status == 403


def test_what_was_asked_before_is_allowed_anew_each_time(admin: Api, person: Person, namespace: str) -> None:
    """The same words again take a short way; it ends with the right, with the object, and shows its present state."""
    path, roles = f"/api/v1/namespaces/{namespace}/configmaps/c", f"{RBAC}/namespaces/{namespace}"
    put(admin, path.rpartition("/")[0], {"metadata": {"name": "c"}, "data": {"a": "1"}})
    put(admin, f"{roles}/roles", role("reader", rule("get", "configmaps")))
    put(admin, f"{roles}/rolebindings", binding("b", "reader", user("jane-again")))
    jane, john = person("jane-again"), person("john-again")
    for value in ("1", "2", "3"):
        assert admin.patch(path, {"data": {"a": value}}, "merge").status == 200
        assert [jane.get(path).json["data"]["a"] for _ in range(3)] == [value] * 3
        assert john.get(path).status == 403
    assert admin.delete(f"{roles}/rolebindings/b").status == 200
    assert jane.get(path).status == 403
    put(admin, f"{roles}/rolebindings", binding("b", "reader", user("jane-again")))
    assert [jane.get(path).status for _ in range(3)] == [200] * 3
    assert admin.delete(path).status == 200
    assert jane.get(path).status == 404


def test_the_right_to_be_somebody_else_is_asked_each_time(admin: Api, person: Person, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    until(
        lambda: admin.get(path).status == 200 or admin.post(path.rpartition("/")[0], {"metadata": {"name": "default"}})
    )
    put(admin, f"{RBAC}/clusterroles", role("be-admins-again", rule("impersonate", "users groups"), kind="ClusterRole"))
    held = binding("be-admins-again", "be-admins-again", user("jane-other"), role_kind="ClusterRole")
    put(admin, f"{RBAC}/clusterrolebindings", held)
    jane = person("jane-other")
    other = {"Impersonate-User": "root", "Impersonate-Group": "system:masters"}
    assert [jane.get(path, **other).status for _ in range(3)] == [200] * 3
    assert jane.get(path).status == 403
    assert admin.delete(f"{RBAC}/clusterrolebindings/be-admins-again").status == 200
    assert jane.get(path, **other).status == 403


def test_a_changed_role_counts_from_the_next_request_on(admin: Api, person: Person, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}"
    put(admin, f"{path}/roles", role("r", rule("get", "pods")))
    put(admin, f"{path}/rolebindings", binding("b", "r", {"kind": "Group", "name": "team-two"}))
    mate = person("mate", "team-two")
    assert mate.get(f"/api/v1/namespaces/{namespace}/secrets").status == 403
    assert admin.put(f"{path}/roles/r", role("r", rule("list", "secrets"))).status == 200
    assert mate.get(f"/api/v1/namespaces/{namespace}/secrets").status == 200
    assert mate.get(f"/api/v1/namespaces/{namespace}/pods/x").status == 403


def test_a_cluster_role_is_given_in_one_namespace_by_a_role_binding(admin: Api, person: Person, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}/rolebindings"
    put(admin, path, binding("b", "edit", user("ed"), role_kind="ClusterRole"))
    ed = person("ed")
    assert until(lambda: ed.post(f"/api/v1/namespaces/{namespace}/pods", pod("a")).status == 201)
    assert ed.get(f"/api/v1/namespaces/{namespace}/secrets").status == 200
    assert ed.get(f"{RBAC}/namespaces/{namespace}/roles").status == 403
    assert ed.get("/api/v1/nodes").status == 403
    assert ed.get(f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods").status == 200
    assert ed.get("/apis/metrics.k8s.io/v1beta1/nodes").status == 403


def test_resource_names_narrow_a_rule_to_single_objects(admin: Api, person: Person, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}"
    put(admin, f"{path}/roles", role("one", rule("get list watch", "configmaps", names="mine")))
    put(admin, f"{path}/rolebindings", binding("b", "one", user("nat")))
    put(admin, f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "mine"}})
    nat, maps = person("nat"), f"/api/v1/namespaces/{namespace}/configmaps"
    assert nat.get(f"{maps}/mine").status == 200
    assert nat.get(f"{maps}/yours").status == 403
    assert nat.get(maps).status == 403
    named = nat.get(f"{maps}?fieldSelector=metadata.name%3Dmine")
    assert [item["metadata"]["name"] for item in named.json["items"]] == ["mine"]
    assert nat.get(f"{maps}?fieldSelector=metadata.name%3Dyours").status == 403
    assert nat.get(f"{maps}?fieldSelector=metadata.name%21%3Dmine").status == 403


def test_paths_that_are_no_resources_have_rules_too(admin: Api, person: Person) -> None:
    watcher = person("prom")
    assert watcher.get("/metrics").json["message"] == 'forbidden: User "prom" cannot get path "/metrics"'
    put(
        admin,
        f"{RBAC}/clusterroles",
        {"metadata": {"name": "scrape"}, "rules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]},
    )
    put(admin, f"{RBAC}/clusterrolebindings", binding("scrape", "scrape", user("prom"), role_kind="ClusterRole"))
    assert watcher.get("/metrics").status == 200


def test_nobody_grants_more_than_he_holds(admin: Api, person: Person, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}"
    rules = rule("get create update patch delete", "roles rolebindings", group="rbac.authorization.k8s.io")
    put(admin, f"{path}/roles", role("keeper", rules))
    put(admin, f"{path}/roles", role("reader", rule("get list", "pods")))
    put(admin, f"{path}/rolebindings", binding("keeper", "keeper", user("kim")))
    put(admin, f"{path}/rolebindings", binding("reader", "reader", user("kim")))
    kim = person("kim")
    assert kim.post(f"{path}/roles", role("same", rule("get", "pods"))).status == 201
    refused = kim.post(f"{path}/roles", role("more", rule("get delete", "pods")))
    assert refused.status == 403
    assert refused.json["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "kim" (groups=["system:authenticated"]) is '
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], '
        'Verbs:["delete"]}'
    )
    changed = kim.patch(f"{path}/roles/same", {"rules": [rule("*", "*", group="*")]}, "merge")
    assert changed.status == 403
    labelled = kim.patch(f"{path}/roles/keeper", {"metadata": {"labels": {"a": "b"}}}, "merge")
    assert labelled.status == 200, "what is not a grant needs no rights to grant"
    bound = kim.post(f"{path}/rolebindings", binding("up", "edit", user("kim"), role_kind="ClusterRole"))
    assert bound.status == 403
    assert "is attempting to grant RBAC permissions not currently held" in bound.json["message"]
    assert kim.post(f"{path}/rolebindings", binding("same", "reader", user("leo"))).status == 201


def test_the_verbs_escalate_and_bind_lift_that(admin: Api, person: Person, namespace: str) -> None:
    path, group = f"{RBAC}/namespaces/{namespace}", "rbac.authorization.k8s.io"
    rules = [
        rule("create escalate", "roles", group=group),
        rule("create", "rolebindings", group=group),
        rule("bind", "clusterroles", group=group, names="edit"),
    ]
    put(admin, f"{path}/roles", role("chief", *rules))
    put(admin, f"{path}/rolebindings", binding("chief", "chief", user("cho")))
    cho = person("cho")
    assert cho.post(f"{path}/roles", role("all", rule("*", "*", group="*"))).status == 201
    assert cho.post(f"{path}/rolebindings", binding("e", "edit", user("x"), role_kind="ClusterRole")).status == 201
    assert cho.post(f"{path}/rolebindings", binding("a", "admin", user("x"), role_kind="ClusterRole")).status == 403


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("roles", role("r", {"verbs": ["get"]}), "rules[0].apiGroups: Required value: resource rules must supply"),
        ("roles", role("r", rule("", "pods")), "rules[0].verbs: Required value"),
        ("roles", role("r", {"verbs": ["get"], "nonResourceURLs": ["/x"]}), "namespaced rules cannot apply to"),
        ("roles", role("a%b", rule("get", "pods")), "metadata.name: Invalid value: \"a%b\": may not contain '%'"),
        ("rolebindings", binding("b", "r", {"kind": "Robot", "name": "x"}), "subjects[0].kind: Unsupported value"),
        ("rolebindings", binding("b", "", user("x")), "roleRef.name: Required value"),
        ("rolebindings", binding("b", "r", user("x"), role_kind="Pod"), 'roleRef.kind: Unsupported value: "Pod"'),
        (
            "rolebindings",
            {"metadata": {"name": "b"}},
            'roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole"',
        ),
    ],
)
def test_a_role_that_makes_no_sense_is_refused(
    admin: Api, namespace: str, path: str, body: dict[str, Any], message: str
) -> None:
    refused = admin.post(f"{RBAC}/namespaces/{namespace}/{path}", body)
    assert refused.status == 422
    assert message in refused.json["message"]


def test_a_binding_keeps_its_role(admin: Api, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}/rolebindings"
    put(admin, path, binding("b", "view", user("x"), role_kind="ClusterRole"))
    refused = admin.put(f"{path}/b", binding("b", "edit", user("x"), role_kind="ClusterRole"))
    assert refused.status == 422
    assert refused.json["message"].endswith(
        'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"edit"}: '
        "cannot change roleRef"
    )


def test_a_role_of_ones_own_joins_view_edit_and_admin(admin: Api) -> None:
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    extra = role("extra", rule("get", "things", group="example.com"), kind="ClusterRole")
    extra["metadata"]["labels"] = labels
    put(admin, f"{RBAC}/clusterroles", extra)
    for name in ("view", "edit", "admin"):
        assert until(lambda name=name: "things" in str(admin.get(f"{RBAC}/clusterroles/{name}").json["rules"]))
    assert admin.delete(f"{RBAC}/clusterroles/extra").status == 200
    for name in ("view", "edit", "admin"):
        assert until(lambda name=name: "things" not in str(admin.get(f"{RBAC}/clusterroles/{name}").json["rules"]))


def test_defaults_come_back_with_the_next_start_and_additions_stay(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    api = as_user(first, "admin")
    assert api.delete(f"{RBAC}/clusterroles/system:node").status == 200
    assert api.patch(f"{RBAC}/clusterroles/system:discovery", {"rules": []}, "merge").status == 200
    own = api.get(f"{RBAC}/clusterroles/steersman:dns").json["rules"] + [rule("get", "secrets", names="dns")]
    assert api.patch(f"{RBAC}/clusterroles/steersman:dns", {"rules": own}, "merge").status == 200
    off = {"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []}
    assert api.patch(f"{RBAC}/clusterroles/system:monitoring", off, "merge").status == 200
    version = api.get(f"{RBAC}/clusterroles/system:basic-user").json["metadata"]["resourceVersion"]
    first.stop()
    api = as_user(new_server(data_dir=first.config.data_dir), "admin")
    assert api.get(f"{RBAC}/clusterroles/system:node").status == 200
    assert "/api" in str(api.get(f"{RBAC}/clusterroles/system:discovery").json["rules"])
    assert api.get(f"{RBAC}/clusterroles/steersman:dns").json["rules"] == own
    assert not api.get(f"{RBAC}/clusterroles/system:monitoring").json.get("rules")
    assert api.get(f"{RBAC}/clusterroles/system:basic-user").json["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(
    ("name", "group", "verb", "resource", "allowed"),
    [
        ("system:kube-scheduler", "", "create", "pods/binding", True),
        ("system:kube-scheduler", "", "create", "pods", False),
        ("system:kube-scheduler", "", "get", "secrets", False),
        ("system:kube-controller-manager", "", "update", "replicationcontrollers/status", True),
        ("system:kube-controller-manager", "coordination.k8s.io", "deletecollection", "leases", True),
        ("system:kube-controller-manager", "rbac.authorization.k8s.io", "create", "clusterrolebindings", False),
        ("system:kube-controller-manager", "", "create", "pods/binding", False),
        ("system:kube-proxy", "", "watch", "services", True),
        ("system:kube-proxy", "", "watch", "pods", False),
        ("steersman:dns", "", "watch", "pods", True),
        ("steersman:dns", "", "get", "secrets", False),
        ("nobody", "", "get", "pods", False),
    ],
)
def test_each_component_may_do_its_work(
    server: Running, name: str, group: str, verb: str, resource: str, allowed: bool
) -> None:
    asker = User(name, frozenset({"system:authenticated"}))
    assert server.api.access.allows(asker, Act(verb, group, resource, "default", "x")) is allowed


def test_nodes_are_allowed_by_their_group(server: Running) -> None:
    node = User("system:node:n1", frozenset({"system:nodes"}))
    assert server.api.access.allows(node, Act("patch", "", "nodes/status", "", "n1"))
    assert not server.api.access.allows(node, Act("delete", "", "replicationcontrollers", "default", "x"))
    assert server.api.access.allows(User("anyone", frozenset({"system:masters"})), Act("delete", "", "nodes"))


def test_kubectl_shows_roles_as_kubernetes_does(kubectl: Callable[..., Any], namespace: str) -> None:
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods,pods/log")
    kubectl("create", "rolebinding", "b", "--clusterrole=view", "--user=u", "--serviceaccount=default:robot")
    roles = kubectl("get", "roles").stdout.splitlines()
    assert roles[0].split() == ["NAME", "CREATED", "AT"]
    assert roles[1].startswith("r ")
    wide = kubectl("get", "rolebindings", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert wide[1].split()[:2] == ["b", "ClusterRole/view"]
    assert wide[1].split()[-2:] == ["u", "default/robot"]
    assert "pods/log" in kubectl("describe", "role", "r").stdout


def test_who_may_update_may_not_make_by_it(admin: Api, person: Person, namespace: str) -> None:
    """A replacement of what is not there makes it: that takes the right to create."""
    jane, roles = person("jane-makes"), f"{RBAC}/namespaces/{namespace}"
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/l"
    group = "coordination.k8s.io"
    put(admin, f"{roles}/roles", role("holder", rule("update", "leases", group=group)))
    put(admin, f"{roles}/rolebindings", binding("b", "holder", user("jane-makes")))
    refused = jane.put(lease, {"metadata": {"name": "l"}})
    assert refused.status == 403
    assert 'cannot create resource "leases"' in refused.json["message"]
    assert admin.get(lease).status == 404
    more = role("holder", rule("create update", "leases", group=group))
    assert admin.put(f"{roles}/roles/holder", more).status == 200
    assert jane.put(lease, {"metadata": {"name": "l"}}).status == 201
