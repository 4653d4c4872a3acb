"""JSON, merge and strategic merge patches of any shape, with every directive in every place, and large ones in time."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apiserver_fuzz.documents import VALUES
from tests.apiserver_fuzz.live import Client

FUZZ = settings(settings.get_profile("fuzz"), max_examples=80)
FORMS = ("json-patch", "merge-patch", "strategic-merge-patch")
SUBRESOURCES = ("", "/status", "/ephemeralcontainers")
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module", autouse=True)
def _there(server: Any) -> None:
    client = Client(server.port)
    spec = {
        "containers": [
            {"name": "c", "image": "i", "env": [{"name": "A", "value": "b"}], "ports": [{"containerPort": 1}]}
        ]
    }
    client.post(PODS, {"metadata": {"name": "web", "labels": {"a": "b"}, "finalizers": ["x.y/z"]}, "spec": spec})
    client.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "large"}, "data": {"a": "b"}})
    client.close()


@FUZZ
@given(patch=VALUES, form=st.sampled_from(FORMS), where=st.sampled_from(SUBRESOURCES))
def test_any_json(client: Client, patch: Any, form: str, where: str) -> None:
    client.patch(f"{PODS}/web{where}?dryRun=All", patch, form)


@FUZZ
@given(patch=st.binary(max_size=30), form=st.sampled_from((*FORMS, "apply-patch", "apply-patch+yaml", "x")))
def test_any_bytes(client: Client, patch: bytes, form: str) -> None:
    client.patch(f"{PODS}/web?dryRun=All", patch, form)


POINTERS = st.sampled_from(
    [
        "",
        "/",
        "//",
        "/metadata",
        "/metadata/labels",
        "/metadata/labels/a",
        "/metadata/finalizers/0",
        "/spec/containers",
        "/spec/containers/0",
        "/spec/containers/-",
        "/spec/containers/-1",
        "/spec/containers/00",
        "/spec/containers/" + "9" * 5000,
        "/spec/containers/²",
        "/spec/containers/1e0",
        "/spec/containers/0/name/x",
        "/~",
        "/~2",
        "/a~1b",
        "x",
        "/metadata/resourceVersion",
        "/apiVersion",
        "/\0",
        "/\ud800",
    ]
)
OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "ADD", "", None, 1]),
        "path": POINTERS | st.none() | st.integers(),
        "from": POINTERS | st.none() | st.just([]),
        "value": VALUES,
    },
)


@FUZZ
@given(steps=st.lists(OPERATION | st.none() | st.just([]), max_size=4))
def test_any_steps_of_a_json_patch(client: Client, steps: Any) -> None:
    client.patch(f"{PODS}/web?dryRun=All", steps, "json-patch")


DIRECTIVE = st.sampled_from(
    [
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/env",
        "$setElementOrder/finalizers",
        "$setElementOrder/",
        "$deleteFromPrimitiveList/finalizers",
        "$deleteFromPrimitiveList/containers",
        "$x",
        "$",
        "$patch/x",
    ]
)
ARGUMENT = (
    st.sampled_from(
        ["replace", "delete", "merge", "x", None, 1, True, [], {}, ["c"], [{"name": "c"}], ["x.y/z"], [{}], [[]]]
    )
    | VALUES
)
DIRECTED = st.recursive(
    st.dictionaries(DIRECTIVE, ARGUMENT, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["metadata", "spec", "containers", "env", "labels", "finalizers", "name", "ports", "volumes"]),
        inner | st.lists(inner | ARGUMENT, max_size=3) | ARGUMENT,
        max_size=3,
    ).flatmap(lambda part: st.dictionaries(DIRECTIVE, ARGUMENT, max_size=2).map(lambda more: part | more)),
    max_leaves=8,
)


@settings(FUZZ, max_examples=250)
@given(patch=DIRECTED, where=st.sampled_from(SUBRESOURCES))
def test_any_directives_of_a_strategic_merge(client: Client, patch: Any, where: str) -> None:
    client.patch(f"{PODS}/web{where}?dryRun=All", patch, "strategic-merge-patch")


MANY = 60_000
_NAMES = [f"n{number}" for number in range(MANY)]
LARGE: dict[str, tuple[str, Any]] = {
    "keyed list": ("strategic-merge-patch", {"spec": {"volumes": [{"name": name} for name in _NAMES]}}),
    "keyed list of one key": ("strategic-merge-patch", {"spec": {"volumes": [{"name": "a"}] * MANY}}),
    "deletions from a keyed list": (
        "strategic-merge-patch",
        {"spec": {"containers": [{"name": name, "$patch": "delete"} for name in _NAMES]}},
    ),
    "primitive list": ("strategic-merge-patch", {"metadata": {"finalizers": [f"a/{name}" for name in _NAMES]}}),
    "deletions from a primitive list": (
        "strategic-merge-patch",
        {
            "metadata": {
                "finalizers": [f"a/{name}" for name in _NAMES[:50_000]],
                "$deleteFromPrimitiveList/finalizers": [f"b/{name}" for name in _NAMES[:50_000]],
            }
        },
    ),
    "order": (
        "strategic-merge-patch",
        {
            "metadata": {
                "finalizers": [f"a/{name}" for name in _NAMES[:50_000]],
                "$setElementOrder/finalizers": [f"a/{name}" for name in reversed(_NAMES[:50_000])],
            }
        },
    ),
    "retained keys": (
        "strategic-merge-patch",
        {"metadata": {"$retainKeys": _NAMES, "labels": {"$retainKeys": _NAMES} | dict.fromkeys(_NAMES, "")}},
    ),
    "labels": ("merge-patch", {"metadata": {"labels": dict.fromkeys(_NAMES, "v")}}),
    "bad labels": ("merge-patch", {"metadata": {"labels": {f"-{name}": "-" for name in _NAMES}}}),
    "steps": ("json-patch", [{"op": "add", "path": "/metadata/finalizers/0", "value": "a/b"}] * 10_000),
    "copies": ("json-patch", [{"op": "copy", "from": "", "path": f"/x{n}"} for n in range(40)]),
    "too many steps": ("json-patch", [{"op": "remove", "path": "/x"}] * 50_000),
    "a deep pointer": ("json-patch", [{"op": "add", "path": "/a" * 500_000, "value": 1}]),
    "a deep pointer, often": ("json-patch", [{"op": "test", "path": "/metadata" + "/a" * 100, "value": 1}] * 5_000),
    "annotations that are too long": ("merge-patch", {"metadata": {"annotations": {"a": "x" * 400_000}}}),
    "owners": (
        "merge-patch",
        {
            "metadata": {
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": n} for n in _NAMES[:40_000]]
            }
        },
    ),
    "tolerations": ("merge-patch", {"spec": {"tolerations": [{"key": name, "operator": "Exists"} for name in _NAMES]}}),
    "containers": ("merge-patch", {"spec": {"containers": [{"name": name, "image": "i"} for name in _NAMES]}}),
    "environment": (
        "merge-patch",
        {"spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": n} for n in _NAMES]}]}},
    ),
    "ports": (
        "merge-patch",
        {"spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}] * MANY}]}},
    ),
    "nested lists": ("merge-patch", {"spec": {"containers": [[]] * 400_000}}),
}


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE.keys())
def test_a_large_patch_is_answered_in_time(client: Client, case: tuple[str, Any]) -> None:
    form, patch = case
    body = json.dumps(patch, separators=(",", ":")).encode()
    assert len(body) < 3 * 2**20
    answer = client.patch(f"{PODS}/web?dryRun=All", body, form)
    assert answer.status in (200, 400, 413, 422), answer.data[:200]
    assert len(answer.data) < 4 * 2**20


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE.keys())
def test_a_large_status_patch_is_answered_in_time(client: Client, case: tuple[str, Any]) -> None:
    form, patch = case
    body = json.dumps(patch, separators=(",", ":")).encode()
    client.patch(f"{PODS}/web/status?dryRun=All", body, form)
