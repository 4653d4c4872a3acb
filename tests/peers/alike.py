"""The same requests to both API servers, and what differs in their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.doors import Api
from tests.e2e.waiting import until

NAMESPACE = "/api/v1/namespaces/default"
# What each server has of its own.
_OWN_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink")
_OWN = re.compile(r"[0-9a-f]{8}-[-0-9a-f]{27}|kube-api-access-[a-z0-9]{5}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def taking_pods(api: Api) -> Api:
    """With the account that pods need, once admission has seen it too."""
    body = {"metadata": {"name": "first"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}

    def taken() -> bool:
        # The namespace may not be there either when the server has just begun.
        api.call("POST", f"{NAMESPACE}/serviceaccounts", json={"metadata": {"name": "default"}})
        return api.call("POST", f"{NAMESPACE}/pods?dryRun=All", json=body).status_code == 201

    until(taken, limit_s=60, what="a pod that is taken")
    return api


def within(api: Api, name: str) -> str:
    """The path of a namespace, once something can be made in it."""
    api.call("POST", "/api/v1/namespaces", json={"metadata": {"name": name}})
    path = f"/api/v1/namespaces/{name}"
    probe = {"metadata": {"name": "probe"}}
    until(lambda: api.call("POST", f"{path}/configmaps?dryRun=All", json=probe).ok, limit_s=60, what="a namespace")
    return path


def documents() -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: the path where an object is made, and the object."""
    read = yaml.safe_load((Path(__file__).parent / "documents.yaml").read_text(encoding="utf-8"))
    return {name: (one["path"], one["body"]) for name, one in read.items()}


def common(value: Any) -> Any:
    """What of an answer could be the same at both."""
    if isinstance(value, dict):
        return {name: common(one) for name, one in value.items() if name not in _OWN_FIELDS}
    if isinstance(value, list):
        return [common(one) for one in value]
    return _OWN.sub("OWN", value) if isinstance(value, str) else value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values, and what is empty, by their paths."""
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")
    else:
        yield path, value


def differences(ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    """By path: our value and theirs; None where there is none."""
    mine, other = dict(leaves(common(ours))), dict(leaves(common(theirs)))
    return {
        path: (mine.get(path), other.get(path))
        for path in sorted(mine.keys() | other.keys())
        if mine.get(path) != other.get(path)
    }


def causes(answer: requests.Response) -> tuple[int, list[tuple[str, str]]]:
    """The status, and the fields at fault with the reasons."""
    found = answer.json().get("details", {}).get("causes", []) if answer.status_code == 422 else []
    return answer.status_code, sorted({(one["field"], one["reason"]) for one in found})


def removed(api: Api, path: str) -> None:
    """Whatever holds the object, it goes."""
    free = {"Content-Type": "application/merge-patch+json"}
    api.call("DELETE", path, params={"gracePeriodSeconds": 0})
    api.call("PATCH", path, data='{"metadata":{"finalizers":null}}', headers=free)
