"""Methods, paths and headers as real clients vary them, to both API servers: the same code, headers and words."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.e2e.doors import Api
from tests.peers.alike import NAMESPACE, common, taking_pods

pytestmark = pytest.mark.peer

MAPS, PODS = f"{NAMESPACE}/configmaps", f"{NAMESPACE}/pods"
HEADERS = ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Warning", "Allow", "Location")
WATCHED = "/api/v1/watch/namespaces/default/configmaps"
SERVICES, NODES = f"{NAMESPACE}/services", "/api/v1/nodes"
OPTIONS = "".join(f"&{name}" for name in ("stdin=1", "stdout=1", "container=x"))
CASES: list[tuple[str, str]] = [
    *((method, path) for method in ("OPTIONS", "TRACE") for path in (MAPS, f"{MAPS}/held", "/api", f"{PODS}/held/log")),
    *(("HEAD", path) for path in (MAPS, f"{MAPS}/held", "/api", "/version", "/healthz", "/livez")),
    *(("GET", path) for path in (f"{MAPS}/", f"{MAPS}/held/", "/api/", "/apis/", "/api/v1/", "/apis/apps/v1/")),
    *(("GET", path) for path in ("/api//v1", "/api/v1//pods", f"{NAMESPACE}//configmaps/held")),
    *(("GET", path) for path in ("/api/v1/namespaces//pods", "/api/v1/./pods", f"{MAPS}/held/foo/bar")),
    *(("GET", f"{MAPS}/{name}") for name in ("%68eld", "h%65ld", "he%2Fld", "held%20")),
    *(("GET", f"{MAPS}?{query}") for query in ("watch=0", "includeUninitialized=true", "export=1", "exact=1&foo=bar")),
    *(("GET", f"{MAPS}/held?{query}") for query in ("watch=1", "includeUninitialized=x", "export=true", "limit=a")),
    *(("GET", f"{path}?timeoutSeconds=1") for path in (WATCHED, f"{WATCHED}/held", "/api/v1/watch/foo")),
    *((method, WATCHED) for method in ("POST", "DELETE", "PUT", "PATCH")),
    *((method, f"{WATCHED}/held") for method in ("DELETE", "PUT")),
    *(
        (method, f"{PODS}/{name}/exec?a=b{more}")
        for method in ("GET", "POST")
        for name in ("held", "none")
        for more in ("", OPTIONS, "&stdout=1", "&command=ls", "&command=ls&stdout=1&container=x")
    ),
    *(
        (method, f"{PODS}/{name}/{way}")
        for method in ("GET", "POST")
        for name in ("held", "none")
        for way in ("attach", "portforward", "attach?container=x")
    ),
    *(
        (method, f"{SERVICES}/{name}/proxy/{path}")
        for method in ("GET", "OPTIONS", "DELETE")
        for path in ("", "a//b")
        for name in ("none", "none:80", "http:none:80", "foo:none:80", ":", "a:b:c:d", "alone", "alone:foo", "alone:9")
    ),
    *((method, f"{NODES}/{name}/proxy/") for method in ("GET", "OPTIONS") for name in ("none", "none:10250")),
    *((method, f"{PODS}/{name}/proxy/") for method in ("GET", "OPTIONS") for name in ("none", "held", "held:80")),
]


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    """Each with a pod on no node and a service that has no endpoints."""
    pod = {"metadata": {"name": "held"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    service = {"metadata": {"name": "alone"}, "spec": {"ports": [{"port": 80, "name": "http"}]}}
    for api in (our_api, their_api):
        taking_pods(api)
        for path, body in ((PODS, pod), (MAPS, {"metadata": {"name": "held"}}), (SERVICES, service)):
            made = api.call("POST", path, json=body)
            assert made.status_code == 201, made.text
    return our_api, their_api


def told(answer: requests.Response) -> Any:
    headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    if "json" not in headers.get("Content-Type", "") or "stream" in answer.url or not answer.content:
        return answer.status_code, headers
    said = common(answer.json())
    return answer.status_code, headers, said if said["kind"] == "Status" else said["kind"]


@pytest.mark.parametrize(("method", "path"), CASES)
def test_both_answer_the_same(both: tuple[Api, Api], method: str, path: str) -> None:
    streams = "timeoutSeconds" in path
    ours, theirs = (api.call(method, path, allow_redirects=False) for api in both)
    if streams:
        assert (ours.status_code, ours.headers["Content-Type"]) == (theirs.status_code, theirs.headers["Content-Type"])
    else:
        assert told(ours) == told(theirs)


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"kind":"DeleteOptions","apiVersion":"v1"}'], ids=str)
def test_options_of_a_deletion_are_read_alike(both: tuple[Api, Api], body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    ours, theirs = (api.call("DELETE", f"{MAPS}/none", data=body, headers=headers) for api in both)
    assert told(ours) == told(theirs)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez?verbose", f"{MAPS}/held", f"{MAPS}/none"])
def test_headers_are_the_same(both: tuple[Api, Api], path: str) -> None:
    ours, theirs = (api.call("GET", path) for api in both)
    assert {name: ours.headers.get(name) for name in HEADERS} == {name: theirs.headers.get(name) for name in HEADERS}


def test_an_object_is_zipped_alike(both: tuple[Api, Api]) -> None:
    for api in both:
        made = api.call("POST", MAPS, json={"metadata": {"name": "big"}, "data": {"a": "b" * 300_000}})
        assert made.status_code == 201
    for accepted in ("gzip", "gzip, deflate", "identity", "deflate", "gzip;q=0", "br"):
        for name in ("big", "held"):
            headers = {"Accept-Encoding": accepted}
            ours, theirs = (api.call("GET", f"{MAPS}/{name}", headers=headers) for api in both)
            assert ours.headers.get("Content-Encoding") == theirs.headers.get("Content-Encoding"), (accepted, name)
