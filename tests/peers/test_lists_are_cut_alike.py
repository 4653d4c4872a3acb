"""Lists whole, in pieces and of versions; whole collections deleted; names that the server makes: alike at both."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.e2e.doors import Api
from tests.peers.alike import within

pytestmark = pytest.mark.peer

PATH = "/api/v1/namespaces/listed/configmaps"
SECRETS = "/api/v1/namespaces/listed/secrets"
QUERIES = [
    *("", "limit=3", "limit=7", "limit=8", "limit=0", "limit=-1", "timeoutSeconds=1", "limit=1&labelSelector=n%3D1"),
    *("limit=3&labelSelector=n%3D0", "limit=3&fieldSelector=metadata.name!%3Dc0", "resourceVersion=0"),
    *("labelSelector=n%3D0&resourceVersion=0", "fieldSelector=metadata.name%3Dc1,metadata.namespace%3Dlisted"),
    *("limit=3&resourceVersion=0", "limit=1&resourceVersion=0&labelSelector=n%3D0"),
    "limit=2&resourceVersion=0&resourceVersionMatch=NotOlderThan",
    *("labelSelector=n%3D0,i%20notin%20(2)", "labelSelector=i%20in%20(0,9)", "fieldSelector=metadata.namespace%3Dx"),
]
# Of the first piece of three, and of the version at which it was read; meanwhile c4 went and c9 came.
LATER = [
    *("limit=3&continue={token}", "continue={token}", "limit=1&labelSelector=n%3D0&continue={token}"),
    *("limit=3&resourceVersion=0&continue={token}", "resourceVersion=1&continue={token}"),
    *("resourceVersion={version}&resourceVersionMatch=Exact", "resourceVersion={version}&limit=20"),
    "resourceVersion={version}&resourceVersionMatch=Exact&limit=2",
    "resourceVersion={version}&resourceVersionMatch=NotOlderThan",
    "resourceVersion={version}&resourceVersionMatch=NotOlderThan&limit=2",
    "resourceVersion={version}&resourceVersionMatch=Exact&continue={token}",
]
TOO_LARGE = ["?resourceVersion=99999999", "?resourceVersion=99999999&resourceVersionMatch=NotOlderThan"]
Both = tuple[tuple[Api, dict[str, str]], tuple[Api, dict[str, str]]]


def body(index: int) -> dict[str, Any]:
    return {"metadata": {"name": f"c{index}", "labels": {"n": str(index % 2), "i": str(index)}}}


@pytest.fixture(scope="module")
def apis(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    """Each with seven objects."""
    for api in (our_api, their_api):
        within(api, "listed")
        for index in range(7):
            assert api.call("POST", PATH, json=body(index)).status_code == 201
    return our_api, their_api


@pytest.fixture(scope="module")
def both(apis: tuple[Api, Api]) -> Both:
    """Each with what stands for a token and a version, and another state by now."""

    def begun(api: Api) -> dict[str, str]:
        metadata = api.get(f"{PATH}?limit=3")["metadata"]
        api.call("DELETE", f"{PATH}/c4")
        api.call("POST", PATH, json=body(9))
        return {"token": metadata["continue"], "version": metadata["resourceVersion"]}

    ours, theirs = apis
    return (ours, begun(ours)), (theirs, begun(theirs))


def told(api: Api, path: str) -> tuple[Any, ...]:
    """The status, the names, how many are left, whether it goes on, and what a refusal says."""
    answer = api.call("GET", path)
    said = answer.json()
    metadata = said["metadata"]
    # Kubernetes 1.20 answers from its cache in no order.
    names = sorted(one["metadata"]["name"] for one in said.get("items") or [])
    left = metadata.get("remainingItemCount"), "continue" in metadata
    return answer.status_code, said["kind"], names, left, said.get("message")


@pytest.mark.parametrize("query", QUERIES)
def test_lists_have_the_same_objects(apis: tuple[Api, Api], query: str) -> None:
    ours, theirs = (told(api, f"{PATH}?{query}") for api in apis)
    assert ours == theirs


@pytest.mark.parametrize("query", LATER)
def test_pieces_and_versions_show_the_same_state(both: Both, query: str) -> None:
    ours, theirs = (told(api, f"{PATH}?{query.format(**known)}") for api, known in both)
    assert ours == theirs
    assert "c4" in ours[2] or "Exact" not in query or ours[0] != 200 or "limit=2" in query


@pytest.mark.parametrize("rest", [*TOO_LARGE, "/c1?resourceVersion=99999999"])
def test_a_version_yet_to_come_is_told_the_same(apis: tuple[Api, Api], rest: str) -> None:
    answers = [api.call("GET", PATH + rest) for api in apis]
    told = [
        (one.status_code, one.json()["reason"], one.json()["details"], one.headers["Retry-After"]) for one in answers
    ]
    assert told[0] == told[1]


DELETIONS: list[tuple[str, Any]] = [
    ("", {"preconditions": {"uid": "x"}}),
    ("dryRun=All", None),
    ("labelSelector=n%3D0&dryRun=All", None),
    ("dryRun=x", None),
    ("", {"dryRun": ["All"]}),
    ("labelSelector=a%20b", None),
    ("propagationPolicy=Foo", None),
    ("labelSelector=n%3D0", None),
    ("fieldSelector=metadata.name%3Dc1", {"propagationPolicy": "Background"}),
    ("labelSelector=i%20in%20(3,5)", {"propagationPolicy": "Orphan"}),
    ("", {"gracePeriodSeconds": 0}),
    ("", None),
]


def test_collections_are_deleted_alike(apis: tuple[Api, Api]) -> None:
    for api in apis:
        for index in range(7):
            api.call("POST", SECRETS, json=body(index))
        api.call("POST", SECRETS, json=body(9) | {"metadata": {"name": "held", "finalizers": ["a.b/c"]}})
    for query, options in DELETIONS:
        answers = [api.call("DELETE", f"{SECRETS}?{query}", json=options) for api in apis]
        left = [told(api, SECRETS) for api in apis]
        said = [_deleted(one.json()) for one in answers]
        assert (answers[0].status_code, said[0]) == (answers[1].status_code, said[1]), (query, options)
        assert left[0] == left[1], (query, options)
    # Two wait for a garbage collector, which neither has here.
    assert [one["metadata"]["name"] for one in apis[0].get(SECRETS)["items"]] == ["c3", "c5", "held"]


def _deleted(answer: Any) -> Any:
    """The names of a list, or what a refusal says."""
    if answer["kind"] == "Status":
        return answer.get("reason"), answer.get("details", {}).get("causes")
    return sorted(one["metadata"]["name"] for one in answer["items"])


def test_namespaces_are_not_deleted_all_at_once(apis: tuple[Api, Api]) -> None:
    answers = [api.call("DELETE", "/api/v1/namespaces?labelSelector=none") for api in apis]
    assert [one.status_code for one in answers] == [405, 405]


NAMES: list[tuple[str, dict[str, Any]]] = [
    ("", {"generateName": "g-"}),
    ("", {"generateName": "x" * 70}),
    ("", {"generateName": "A_"}),
    ("", {"generateName": "g-", "name": "named"}),
    ("?dryRun=All", {"generateName": "g-"}),
    ("?dryRun=All", {"name": "dry"}),
    ("?dryRun=All", {"name": "named"}),
    ("?dryRun=All&fieldManager=me", {"name": "managed"}),
    ("?fieldManager=" + "x" * 129, {"name": "managed"}),
    (
        "",
        {
            "name": "dry",
            "uid": "mine",
            "creationTimestamp": "2001-01-01T00:00:00Z",
            "deletionTimestamp": "2001-01-01T00:00:00Z",
        },
    ),
]


def _named(answer: requests.Response) -> tuple[Any, ...]:
    """The status; how the name begins and how long it is, or the fields at fault; what is the server's to say."""
    said = answer.json()
    metadata = said["metadata"]
    if not answer.ok:
        faults = [one["field"] for one in said.get("details", {}).get("causes", [])]
        return answer.status_code, said.get("reason"), faults
    name, since = metadata["name"], metadata["creationTimestamp"]
    return (
        answer.status_code,
        name[:2],
        len(name),
        metadata.get("generateName"),
        "deletionTimestamp" in metadata,
        since[:2],
    )


def test_names_are_made_alike(apis: tuple[Api, Api]) -> None:
    for query, metadata in NAMES:
        ours, theirs = (_named(api.call("POST", f"{PATH}{query}", json={"metadata": metadata})) for api in apis)
        assert ours == theirs, metadata
