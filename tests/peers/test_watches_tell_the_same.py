"""The same history to watchers of both API servers: the same events in the same order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.doors import Api
from tests.peers.alike import within
from tests.peers.watching import events, history

pytestmark = pytest.mark.peer

PATH = "/api/v1/namespaces/watched/configmaps"
OLD = "/api/v1/watch/namespaces/watched/configmaps"
SELECTORS = [
    *("", "labelSelector=k%3D1", "labelSelector=k%3D2", "labelSelector=k!%3D1", "labelSelector=!k"),
    *("labelSelector=k%20in%20(1,2)", "labelSelector=k%20notin%20(1)", "allowWatchBookmarks=true", "limit=1"),
    *("fieldSelector=metadata.name%3Da", "fieldSelector=metadata.name!%3Da", "continue=x"),
    "labelSelector=k%3D1&fieldSelector=metadata.name%3Da",
]
TABLE, METADATA = (f"application/json;as={form};v=v1;g=meta.k8s.io" for form in ("Table", "PartialObjectMetadata"))
REFUSED = [
    *("resourceVersion=1", "labelSelector=a%20b", "fieldSelector=spec.x%3D1", "timeoutSeconds=x", "limit=x"),
    *("resourceVersionMatch=Exact&resourceVersion=1", "resourceVersionMatch=NotOlderThan"),
]
Both = tuple[tuple[Api, str], tuple[Api, str]]


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> Both:
    """Each with the version before the history."""
    for api in (our_api, their_api):
        within(api, "watched")
        for item in api.get(PATH)["items"]:
            api.call("DELETE", f"{PATH}/{item['metadata']['name']}")
    return (our_api, history(our_api, PATH)), (their_api, history(their_api, PATH))


def compared(both: Both, query: str, *, path: str = PATH, since: str = "", accept: str = "application/json") -> int:
    """How many events came, of both the same. ``since`` is a version, or ``before`` the history."""

    def told(one: tuple[Api, str]) -> list[tuple[object, ...]]:
        version = one[1] if since == "before" else since
        # A session serves one thread at a time, so each server has one.
        return events(one[0], path, f"{query}&resourceVersion={version}" if version else query, accept)

    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(told, both)
    if since != "before":
        # The present state has no order.
        ours, theirs = [*ours[:1], *sorted(ours[1:], key=str)], [*theirs[:1], *sorted(theirs[1:], key=str)]
    assert ours == theirs
    return len(ours) - 1


@pytest.mark.parametrize("since", ["before", "0", ""])
@pytest.mark.parametrize("selector", SELECTORS)
def test_objects_come_into_a_selection_and_leave_it(both: Both, selector: str, since: str) -> None:
    count = compared(both, selector, since=since)
    if since == "before" and selector in ("", "limit=1", "allowWatchBookmarks=true"):
        # Two made, five changed (a sixth change is none), two gone, one made.
        assert count == 10


@pytest.mark.parametrize("query", ["", "includeObject=Object", "allowWatchBookmarks=true"])
@pytest.mark.parametrize("accept", [TABLE, METADATA])
def test_events_have_the_wanted_form(both: Both, accept: str, query: str) -> None:
    assert compared(both, query, since="before", accept=accept) == 10


def test_the_old_paths_lead_to_watches_too(both: Both) -> None:
    assert compared(both, "", path=OLD, since="before") == 10
    assert compared(both, "", path=f"{OLD}/a", since="before") == 5


def test_one_object_is_not_watched_but_read(both: Both) -> None:
    for name, code in (("a", 404), ("c", 200)):
        assert [api.call("GET", f"{PATH}/{name}?watch=1").status_code for api, _ in both] == [code, code]


@pytest.mark.parametrize("query", REFUSED)
def test_a_watch_that_cannot_be_is_refused(both: Both, query: str) -> None:
    compared(both, query)


@pytest.mark.parametrize("value", ["1", "true", "True", "t", "0", "false", "False", "x", ""])
def test_what_makes_a_list_a_watch_is_the_same(both: Both, value: str) -> None:
    told = [api.call("GET", f"{PATH}?timeoutSeconds=1&watch={value}").text for api, _ in both]
    assert len({'"type":"ADDED"' in text for text in told}) == 1
