"""Watches of both API servers, their events told in what can be the same."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.doors import Api

MERGE = {"Content-Type": "application/merge-patch+json"}


def events(api: Api, path: str, query: str, accept: str = "application/json") -> list[tuple[Any, ...]]:
    """All that comes until the server ends the watch, or its refusal."""
    answer = api.call("GET", f"{path}?watch=1&timeoutSeconds=1&{query}", headers={"Accept": accept}, stream=True)
    if answer.status_code != 200:
        return [(answer.status_code, answer.json().get("reason"))]
    head = (answer.headers["Content-Type"], answer.headers.get("Transfer-Encoding"))
    return [head, *(_told(json.loads(line)) for line in answer.iter_lines() if line)]


def _told(event: Any) -> tuple[Any, ...]:
    kind, shown = event["type"], event["object"]
    if shown["kind"] == "Table":
        rows = [(row["cells"][0], (row["object"] or {}).get("kind")) for row in shown["rows"]]
        return kind, "Table", bool(shown.get("columnDefinitions")), rows
    if shown["kind"] == "Status":
        return kind, shown["code"], shown["reason"]
    metadata = shown["metadata"]
    told = (metadata.get("name"), metadata.get("labels"), shown.get("data"), metadata.get("finalizers"))
    return kind, shown["kind"], shown["apiVersion"], told, "deletionTimestamp" in metadata


def history(api: Api, path: str) -> str:
    """Objects come into a selection, change in it, leave it, are held and let go; the version before all that."""
    version: str = api.get(path)["metadata"]["resourceVersion"]

    def patched(name: str, text: str) -> None:
        assert api.call("PATCH", f"{path}/{name}", data=text, headers=MERGE).status_code == 200

    for name, value in (("a", "1"), ("b", "2")):
        body = {"metadata": {"name": name, "labels": {"k": value}}, "data": {"v": "1"}}
        assert api.call("POST", path, json=body).status_code == 201
    patched("a", '{"metadata":{"labels":{"k":"2"}},"data":{"v":"2"}}')
    patched("a", '{"data":{"v":"3"}}')
    patched("a", '{"data":{"v":"3"}}')
    patched("a", '{"metadata":{"labels":{"k":"1"}},"data":{"v":"4"}}')
    patched("b", '{"metadata":{"finalizers":["x.y/z"]}}')
    api.call("DELETE", f"{path}/b")
    patched("b", '{"metadata":{"finalizers":null}}')
    api.call("DELETE", f"{path}/a")
    api.call("POST", path, json={"metadata": {"name": "c", "labels": {"k": "1"}}, "data": {"v": "5"}})
    return version
