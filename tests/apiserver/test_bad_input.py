"""What a client gets wrong is refused with a Status that says where, and nothing is stored."""

import pytest
from tests_apiserver import Api, pod


def test_unknown_fields_are_refused_warned_of_or_pruned(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = pod("web", foo=1)
    strict = admin.post(f"{path}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.json["reason"] == "BadRequest"
    assert strict.json["message"] == 'strict decoding error: unknown field "spec.foo"'
    warned = admin.post(f"{path}?fieldValidation=Warn", body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.foo\\""'
    assert "foo" not in warned.json["spec"]
    ignored = admin.post(f"{path}?fieldValidation=Ignore", pod("web2", foo=1))
    assert "Warning" not in ignored.headers
    assert admin.post(f"{path}?fieldValidation=Maybe", body).status == 422


def test_a_key_given_twice_is_refused_under_strict(admin: Api, namespace: str) -> None:
    body = b'{"metadata":{"name":"a","name":"b"}}'
    refused = admin.post(f"/api/v1/namespaces/{namespace}/configmaps?fieldValidation=Strict", body)
    assert refused.json["message"] == 'strict decoding error: duplicate field "metadata.name"'


@pytest.mark.parametrize(
    ("spec", "what", "field", "kind"),
    [
        ('{"replicas":"3"}', "string", "ReplicationControllerSpec.spec.replicas", "int32"),
        ('{"replicas":1.5}', "number 1.5", "ReplicationControllerSpec.spec.replicas", "int32"),
        ('{"selector":["a"]}', "array", "ReplicationControllerSpec.spec.selector", "map[string]string"),
        ('{"selector":{"a":1}}', "number", "ReplicationControllerSpec.spec.selector", "string"),
        (
            '{"template":{"spec":{"containers":{}}}}',
            "object",
            "PodSpec.spec.template.spec.containers",
            "[]v1.Container",
        ),
    ],
)
def test_a_wrong_type_is_named_as_kubernetes_names_it(
    admin: Api, namespace: str, spec: str, what: str, field: str, kind: str
) -> None:
    body = f'{{"metadata":{{"name":"x"}},"spec":{spec}}}'.encode()
    refused = admin.post(f"/api/v1/namespaces/{namespace}/replicationcontrollers", body)
    assert refused.status == 400
    prefix = 'ReplicationController in version "v1" cannot be handled as a ReplicationController: '
    assert refused.json["message"] == (
        f"{prefix}json: cannot unmarshal {what} into Go struct field {field} of type {kind}"
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"kind":7}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_bad_request(admin: Api, namespace: str, body: bytes) -> None:
    refused = admin.post(f"/api/v1/namespaces/{namespace}/pods", body)
    assert refused.status == 400, refused.data
    assert refused.json["kind"] == "Status"


def test_another_kind_or_version_than_the_path_says_is_refused(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    other = admin.post(path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}})
    assert other.status == 400
    assert 'Secret in version "v1" cannot be handled as a Pod' in other.json["message"]
    version = admin.post(path, {"apiVersion": "v2", "kind": "Pod", "metadata": {"name": "x"}})
    assert 'no kind "Pod" is registered for version "v2"' in version.json["message"]
    event = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "x"}}
    other = admin.post(f"/api/v1/namespaces/{namespace}/events", event)
    why = "the API version in the data (events.k8s.io/v1) does not match the expected API version (v1)"
    assert (other.status, other.json["message"]) == (400, why)


def test_broken_rules_are_all_told_with_their_paths(admin: Api, namespace: str) -> None:
    body = {
        "metadata": {"name": "Bad_Name"},
        "spec": {"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": []}}},
    }
    refused = admin.post(f"/api/v1/namespaces/{namespace}/replicationcontrollers", body)
    assert refused.status == 422
    assert refused.json["reason"] == "Invalid"
    assert refused.json["details"]["kind"] == "ReplicationController"
    fields = {cause["field"] for cause in refused.json["details"]["causes"]}
    assert {"metadata.name", "spec.template.metadata.labels", "spec.template.spec.containers"} <= fields
    assert admin.get(f"/api/v1/namespaces/{namespace}/replicationcontrollers").json["items"] == []


def test_names_that_do_not_match_the_path_are_refused(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(path, pod("web"))
    wrong = admin.put(f"{path}/web", pod("other"))
    assert wrong.json["message"] == "the name of the object (other) does not match the name on the URL (web)"
    stray = pod("x")
    stray["metadata"]["namespace"] = "elsewhere"
    refused = admin.post(path, stray)
    assert refused.status == 400
    assert (
        "the namespace of the provided object does not match the namespace sent on the request"
        in (refused.json["message"])
    )


def test_media_types_that_are_not_understood_are_refused(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    text = admin.post(path, b"web", Content_Type="text/plain")
    assert (text.status, text.json["reason"]) == (415, "UnsupportedMediaType")
    protobuf = admin.post(path, b"no magic", Content_Type="application/vnd.kubernetes.protobuf")
    assert protobuf.status == 400
    admin.post(path, pod("web"))
    assert admin.call("PATCH", f"{path}/web", {}, Content_Type="application/json").status == 415
    assert admin.get(path, Accept="image/png").status == 406
    both = admin.get(path, Accept="application/vnd.kubernetes.protobuf,application/json")
    assert both.headers["Content-Type"] == "application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/gadgets", 404),
        ("GET", "/apis/nope/v1/things", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/pods/x", 404),
        ("GET", "/api/v1/namespaces/default/pods/a/b/c/d", 404),
        ("GET", "/api/v1/namespaces/default/pods/a%2Fb", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/api/v1/namespaces/default/pods", 405),
        ("POST", "/api/v1/namespaces/default/pods/x", 405),
        ("DELETE", "/version", 405),
    ],
)
def test_paths_and_methods_that_are_not_served(admin: Api, method: str, path: str, status: int) -> None:
    refused = admin.call(method, path)
    assert refused.status == status
    assert refused.json["kind"] == "Status"
    assert refused.json["code"] == status


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=a,,b",
        "labelSelector=a in (",
        "fieldSelector=spec.colour=red",
        "limit=many",
        "resourceVersion=abc",
        "continue=zzz",
        "watch=perhaps&limit=x",
        "labelSelector=" + ",".join(f"k{n}" for n in range(2000)),
    ],
)
def test_options_that_make_no_sense_are_bad_requests(admin: Api, query: str) -> None:
    assert admin.get(f"/api/v1/pods?{query}").status == 400


def test_yaml_is_read_and_its_bombs_are_not(admin: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = admin.post(
        path, b"metadata: {name: y}\ndata: {date: 2020-01-01, on: 'yes'}\n", Content_Type="application/yaml"
    )
    assert made.json["data"] == {"date": "2020-01-01", "true": "yes"}
    levels = "\n".join(f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    bomb = f"metadata: {{name: bomb}}\nl0: &l0 [a,a,a,a,a,a,a,a,a,a]\n{levels}\n"
    refused = admin.post(path, bomb.encode(), Content_Type="application/yaml")
    assert refused.status == 400
    assert "excessive aliasing" in refused.json["message"]
    for text in (b"a: [", b"a: 1\na: 2", b"--- a\n--- b", b"[" * 5000):
        assert admin.post(path, text, Content_Type="application/yaml").status == 400


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b'{"a":', 'unexpected end of JSON input ({"a":)'),
        (b"a: b", "invalid character 'a' at byte 0 (613a2062)"),
        (b"[]", "json: cannot unmarshal array into Go value of type struct { APIVersion string; Kind string } (5b5d)"),
    ],
)
def test_what_is_no_object_is_unrecognized(admin: Api, namespace: str, body: bytes, why: str) -> None:
    refused = admin.post(f"/api/v1/namespaces/{namespace}/pods", body)
    begin = "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
    assert (refused.status, refused.json["message"]) == (400, begin + why)
