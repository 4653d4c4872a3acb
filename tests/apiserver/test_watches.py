"""Watches: every change once, in order, from a version on; or a clear word that this cannot be."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests_apiserver import Api, Running, pod

from master.apiserver import watching
from master.apiserver.selection import Selection
from master.apiserver.watching import Watcher
from tests.e2e.waiting import until


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _version(admin: Api, path: str) -> str:
    version: str = admin.get(path).json["metadata"]["resourceVersion"]
    return version


def test_a_watch_shows_what_happens_after_a_version(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    since = _version(admin, path)
    admin.post(path, pod("a"))
    watch = admin.watch(f"{path}?watch=1&resourceVersion={since}")
    admin.patch(f"{path}/a", {"metadata": {"labels": {"x": "y"}}})
    admin.delete(f"{path}/a")
    events = [watch.next() for _ in range(3)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert events[2]["object"]["metadata"]["labels"]["x"] == "y"


def test_without_a_version_the_present_state_comes_first(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    admin.post(path, pod("a"))
    for version in ("", "&resourceVersion=0"):
        watch = admin.watch(f"{path}?watch=true{version}")
        assert watch.take(1) == [("ADDED", "a")]
        name = f"b{len(version)}"
        admin.post(path, pod(name))
        events = watch.take(1)
        assert events == [("ADDED", name)]
        admin.delete(f"{path}/{name}")


def test_an_object_that_leaves_a_selection_is_deleted_for_its_watcher(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    watch = admin.watch(f"{path}?watch=1&labelSelector=tier%3Dfront&resourceVersion={_version(admin, path)}")
    admin.post(path, pod("a"))
    admin.patch(f"{path}/a", {"metadata": {"labels": {"tier": "front"}}})
    admin.patch(f"{path}/a", {"metadata": {"labels": {"tier": "back"}}})
    admin.patch(f"{path}/a", {"metadata": {"labels": {"tier": "front"}}})
    admin.delete(f"{path}/a")
    assert watch.take(4) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]


def test_a_watch_of_one_name_and_of_a_field(admin: Api, namespace: str) -> None:
    path, since = _pods(namespace), _version(admin, _pods(namespace))
    by_name = admin.watch(f"{path}?watch=1&fieldSelector=metadata.name%3Db&resourceVersion={since}")
    by_node = admin.watch(f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{namespace}&resourceVersion={since}")
    admin.post(path, pod("a"))
    admin.post(path, pod("b"))
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": namespace}}
    assert admin.post(f"{path}/a/binding", binding).status == 201
    assert by_name.take(1) == [("ADDED", "b")]
    assert by_node.take(1) == [("ADDED", "a")]
    # One object is read, whatever else is asked for; only the old path watches it.
    assert admin.get(f"{path}/b?watch=1").json["kind"] == "Pod"
    old = admin.watch(f"/api/v1/watch/namespaces/{namespace}/pods/b?resourceVersion={since}")
    assert old.take(1) == [("ADDED", "b")]


def test_initial_events_end_with_a_marked_bookmark(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    admin.post(path, pod("a"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    watch = admin.watch(f"{path}?{query}")
    assert watch.take(1) == [("ADDED", "a")]
    mark = watch.next()
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["kind"] == "Pod"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(_version(admin, path))
    assert admin.get(f"{path}?watch=1&sendInitialEvents=true").status == 422


def test_a_watch_ends_in_time_and_bookmarks_come_between(
    admin: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_S", 0.2)
    path = _pods(namespace)
    since = _version(admin, path)
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "other"}})
    watch = admin.watch(f"{path}?watch=1&resourceVersion={since}&allowWatchBookmarks=true&timeoutSeconds=1")
    event = watch.next()
    assert event["type"] == "BOOKMARK"
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(since)
    while event is not None:
        event = watch.next()


def test_a_watch_says_shortly_before_its_end_how_far_it_has_come(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    since = _version(admin, path)
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "other"}})
    watch = admin.watch(f"{path}?watch=1&resourceVersion={since}&allowWatchBookmarks=true&timeoutSeconds=3")
    event = watch.next()
    assert event["type"] == "BOOKMARK"
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(since)
    assert watch.next() is None


def test_a_version_that_is_too_old_is_410_before_the_stream(admin: Api, new_server: Callable[..., Running]) -> None:
    assert admin.get("/api/v1/pods?watch=1&resourceVersion=18446744073709551615").status == 504
    first = new_server()
    data = first.config.data_dir
    first.stop()
    second = new_server(data_dir=data)
    table = next(table for table in second.api.cache if table.resource.plural == "namespaces")
    assert table.replay_from > 1


def test_410_is_told_to_a_client_that_comes_back_late(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    first = new_server()
    data = first.config.data_dir
    first.stop()
    api = as_user(new_server(data_dir=data), "admin")
    late = api.get("/api/v1/namespaces?watch=1&resourceVersion=1")
    assert (late.status, late.json["reason"]) == (410, "Expired")
    assert late.json["message"].startswith("too old resource version: 1 (")
    now = api.get("/api/v1/namespaces").json["metadata"]["resourceVersion"]
    assert api.watch(f"/api/v1/namespaces?watch=1&resourceVersion={now}&timeoutSeconds=1").status == 200


def test_410_is_told_in_the_stream_when_the_history_moves_on_before_it_begins(
    server: Running, admin: Api, namespace: str
) -> None:
    """Between the answer's head and the first event the history may have been cut."""
    path = _pods(namespace)
    since = int(_version(admin, path))
    table = next(table for table in server.api.cache if table.resource.plural == "pods")

    async def first_lines() -> list[tuple[str, bytes]]:
        return watching.replay(table, since - 1, Selection(namespace=namespace))

    before, table.replay_from = table.replay_from, since
    try:
        with pytest.raises(Exception, match="too old resource version"):
            server.do(first_lines())
    finally:
        table.replay_from = before


def test_a_slow_watcher_is_dropped_and_the_others_go_on(server: Running, admin: Api, namespace: str) -> None:
    table = next(table for table in server.api.cache if table.resource.plural == "pods")

    async def follow(limit: int) -> Watcher:
        watcher = Watcher(table, Selection(namespace=namespace), queue_max=limit)
        watcher.start()
        return watcher

    slow, quick = server.do(follow(2)), server.do(follow(100))
    for name in ("a", "b", "c"):
        admin.post(_pods(namespace), pod(name))
    assert slow.dropped
    assert slow not in table.followers

    async def take() -> Any:
        await quick.wait(1)
        return quick.take()

    assert len(server.do(take())) == 3

    async def leave() -> None:
        quick.stop()

    server.do(leave())


def test_a_watch_that_is_dropped_ends_so_that_the_client_comes_back(
    new_server: Callable[..., Running], as_user: Callable[[Running, str], Api]
) -> None:
    server = new_server(watch_queue=5)
    api = as_user(server, "admin")
    watch = api.watch("/api/v1/namespaces/default/configmaps?watch=1")
    table = next(table for table in server.api.cache if table.resource.plural == "configmaps")
    until(lambda: table.followers)

    async def burst() -> None:
        registry = server.api._registry
        maker = [registry.create(table.resource, table.resource.type(metadata=_meta(f"c{n}"))) for n in range(20)]
        await asyncio.gather(*maker)

    server.do(burst())
    assert watch.next() is None
    assert not table.followers


def _meta(name: str) -> Any:
    from api.meta import ObjectMeta

    return ObjectMeta(name=name, namespace="default", uid=name)


def test_a_watch_as_table_names_its_columns_once(admin: Api, namespace: str) -> None:
    path = _pods(namespace)
    watch = admin.watch(f"{path}?watch=1", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    admin.post(path, pod("a"))
    admin.post(path, pod("b"))
    first, second = watch.next()["object"], watch.next()["object"]
    assert first["rows"][0]["cells"][0] == "a"
    assert len(first["columnDefinitions"]) == len(first["rows"][0]["cells"])
    assert second["columnDefinitions"] == []
    assert second["rows"][0]["cells"][0] == "b"


def test_a_client_that_leaves_is_forgotten(server: Running, admin: Api, namespace: str) -> None:
    table = next(table for table in server.api.cache if table.resource.plural == "secrets")
    assert not table.followers
    admin.watch(f"/api/v1/namespaces/{namespace}/secrets?watch=1")
    until(lambda: table.followers)
    admin.streams.pop().close()
    until(lambda: not table.followers)
