"""Paths, query parameters, selectors and headers: whatever stands in them, the answer says what is wrong."""

import base64
import json
import time
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apiserver_fuzz.documents import KINDS, collection
from tests.apiserver_fuzz.live import HANG_S, Client, Server, read_reply

FUZZ = settings(settings.get_profile("fuzz"), max_examples=120)
PODS = "/api/v1/namespaces/default/pods"
MB = 2**20


def _raw(server: Server, target: str | bytes, more: bytes = b"", method: bytes = b"GET") -> Any:
    """One request by hand, since no client sends such targets."""
    line = target.encode("utf-8", "surrogatepass") if isinstance(target, str) else target
    with server.connect() as sock:
        sock.sendall(method + b" " + line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + more + b"\r\n")
        return read_reply(sock).check(line[:200])


PATHS = {
    "a million segments": "/a" * 1_000_000,
    "many segments": "/a" * 8_000,
    "many slashes": "/" * 16_000,
    "many dots": "/.." * 5_000,
    "many percents": "/%2f" * 4_000,
    "empty segments": "/api/v1//namespaces//default/pods",
    "a slash at the end": "/api/v1/namespaces/default/pods/",
    "two slashes": "//api/v1/pods",
    "a dot": "/api/v1/./pods",
    "above the root": "/../../etc/passwd",
    "encoded above the root": "/api/v1/%2e%2e/%2e%2e/etc/passwd",
    "NUL": "/api/v1/namespaces/default/pods/a%00b",
    "an encoded slash": "/api/v1/namespaces/default/pods/a%2fb",
    "an encoded slash as a namespace": "/api/v1/namespaces/a%2fb/pods/c",
    "an encoded newline": "/api/v1/namespaces/default/pods/a%0d%0ab",
    "half an escape": "/api/v1/pods%2",
    "no escape": "/api/v1/pods%zz",
    "not UTF-8": "/api/v1/namespaces/default/pods/%ff%fe",
    "unicode": "/api/v1/namespaces/default/pods/%E2%82%AC%F0%9F%9A%A2",
    "raw unicode": "/api/v1/namespaces/default/pods/é",
    "a surrogate": "/api/v1/namespaces/default/pods/%ED%A0%80",
    "a long name": "/api/v1/namespaces/default/pods/" + "a" * 15_000,
    "a semicolon": "/api/v1/pods;x=y",
    "a question mark": "/api/v1/namespaces/default/pods/%3fwatch=1",
    "an absolute target": "http://x/api/v1/pods",
    "a star": "*",
    "a proxy's path": "/api/v1/nodes/x/proxy/" + "%2e%2e/" * 100,
    "a proxy of pods": "/api/v1/namespaces/default/pods/http:x:99999999/proxy/",
    "a proxy's port": "/api/v1/namespaces/default/services/x:y:z:w/proxy/",
    "a watch of old": "/api/v1/watch/pods/x/y",
    "an unknown document": "/openapi/v3/apis/" + "x/" * 200,
    "health": "/healthz/" + "a/" * 1000,
    "swagger": "/swagger-ui/%2e%2e/%2e%2e/config.py",
}


@pytest.mark.parametrize("target", PATHS.values(), ids=PATHS.keys())
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_odd_paths(server: Server, target: str, method: bytes) -> None:
    answer = _raw(server, target, method=method)
    assert answer.status in (200, 301, 307, 400, 404, 405, 410, 414, 415, 422), answer.data[:200]


SEGMENT = st.sampled_from(
    [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "default",
        "pods",
        "nodes",
        "status",
        "scale",
        "log",
        "proxy",
        "watch",
        "binding",
        "eviction",
        "finalize",
        "token",
        "openapi",
        "v2",
        "v3",
        "healthz",
        "version",
        "metrics",
        "",
        ".",
        "..",
        "%2e",
        "%00",
        "%2F",
        "livez",
        "readyz",
        "swagger-ui",
        "exec",
        "attach",
        "portforward",
        "componentstatuses",
        "events",
    ]
) | st.text(max_size=4).map(lambda text: quote(text.encode("utf-8", "replace"), safe=""))


@FUZZ
@given(
    segments=st.lists(SEGMENT, max_size=9),
    method=st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]),
)
def test_any_path(client: Client, segments: list[str], method: str) -> None:
    client.call(method, "/" + "/".join(segments))


LIST_QUERIES = {
    "limit": [
        "-1",
        "0",
        "1",
        "x",
        "1e3",
        "1_0",
        " 1",
        "+1",
        "9" * 30,
        "9" * 5000,
        "²",
        "",
        "0x1",
        "-9223372036854775808",
    ],
    "resourceVersion": ["-1", "x", "0", "²", "9" * 30, "9" * 5000, "99999999", "1.0", "%00", ""],
    "resourceVersionMatch": ["Exact", "NotOlderThan", "x", "", "exact"],
    "timeoutSeconds": ["-1", "x", "0", "9" * 30, "1.5", ""],
    "continue": [
        "x",
        "%00",
        "é",
        "=",
        "====",
        "a" * 10_000,
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"[" * 5000).decode(),
    ],
    "allowWatchBookmarks": ["x", "true", ""],
    "sendInitialEvents": ["x", "true", "false", ""],
    "watch": ["x", "2", "TRUE", "0"],
    "pretty": ["x", "true", ""],
    "includeObject": ["x", "Object", ""],
    "labelSelector": [
        "(",
        "a in ()",
        "a=b=c",
        "é=b",
        "!",
        ",",
        "a,,b",
        "a in (b",
        "a>b",
        "a>" + "9" * 5000,
        "\0",
        "!" * 5000,
    ],
    "fieldSelector": [
        "x=y",
        "=",
        "metadata.name=",
        "!=",
        "metadata.name==a==b",
        "status.phase",
        ",",
        "\0",
        "a=b," * 1000,
    ],
    "gracePeriodSeconds": ["-1", "x", "9" * 30, "9" * 5000],
    "propagationPolicy": ["x", ""],
    "orphanDependents": ["x", "true"],
    "dryRun": ["x", "All", ""],
    "fieldManager": ["é" * 200, "\0", ""],
    "fieldValidation": ["x", "Strict", ""],
    "tailLines": ["-1", "x", "9" * 5000],
    "sinceTime": ["x", ""],
    "container": ["x", "\0", "../.."],
    "command": ["x", ""],
    "ports": ["x", "-1", "99999"],
}
ONE = [(name, value) for name, values in LIST_QUERIES.items() for value in values]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_odd_query_parameters(client: Client, method: str) -> None:
    body = None if method in ("GET", "DELETE") else {"metadata": {"name": "x"}}
    for name, value in ONE:
        text = f"{name}={quote(value, safe='%')}"
        if name == "watch":
            text += "&timeoutSeconds=1"
        for path in (PODS, f"{PODS}/x", f"{PODS}/x/log", "/api/v1/nodes/x/proxy/y", "/apis/apps/v1/deployments"):
            if method == "DELETE" and path == PODS:
                text += "&dryRun=All"
            client.call(method, f"{path}?{text}", body)


@FUZZ
@given(chosen=st.lists(st.sampled_from(ONE), min_size=2, max_size=5))
def test_query_parameters_together(client: Client, chosen: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={quote(value, safe='%')}" for name, value in chosen)
    client.get(f"{PODS}?timeoutSeconds=1&{query}&resourceVersion=x1")
    client.get(f"{PODS}/x?timeoutSeconds=1&{query}&watch=0")


def test_a_watch_says_what_is_wrong_before_it_begins(client: Client) -> None:
    revision = int(client.get(PODS).json["metadata"]["resourceVersion"])
    wanted = {
        "resourceVersion=x": 400,
        f"resourceVersion={revision + 10**6}": 504,
        "labelSelector=(": 400,
        "fieldSelector=x%3Dy": 400,
        "timeoutSeconds=x": 400,
        "timeoutSeconds=-1": 200,
        "limit=x": 400,
        "sendInitialEvents=true": 422,
        "resourceVersionMatch=Exact": 422,
    }
    for query, status in wanted.items():
        answer = client.get(f"{PODS}?watch=1&{query}")
        assert answer.status == status, (query, answer.data)
    late = client.get(f"{PODS}?resourceVersion={revision + 10**6}")
    assert late.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert late.headers["retry-after"]


def _token(**part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1"} | part).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        _token(rv=1, start="/configmaps/default/a"),
        _token(rv=1, start="/pods/other/a"),
        _token(rv=10**9, start="/pods/default/a"),
        _token(rv=-2, start="/pods/default/a"),
        _token(rv=10**400, start="/pods/default/a"),
        _token(rv="1", start="/pods/default/"),
        _token(rv=None, start="/pods/default/"),
        _token(rv=1),
        _token(start="/pods/default/a"),
        _token(rv=1.5, start="/pods/default/a"),
        _token(rv=1, start="/pods/default/\ud800"),
        _token(rv=1, start=""),
        _token(rv=1, start=["/pods/default/a"]),
    ],
)
def test_a_continue_token_that_was_not_given_for_this_list_is_refused(client: Client, token: str) -> None:
    answer = client.get(f"{PODS}?limit=1&continue={quote(token)}")
    assert (answer.status, answer.json["message"]) == (
        400,
        "invalid continue token: continue key is not valid",
    )


@FUZZ
@given(data=st.binary(max_size=60))
def test_any_continue_token(client: Client, data: bytes) -> None:
    client.get(f"{PODS}?continue={base64.urlsafe_b64encode(data).decode()}")
    client.get(f"{PODS}?continue={quote_from_bytes(data)}")


def test_selectors_of_ten_thousand_terms(client: Client) -> None:
    """In a query no selector fits that is longer than a URL may be; in an object one does."""
    for terms in (100, 1_000, 10_000):
        selector = ",".join(f"a{number}" for number in range(terms))
        assert client.get(f"{PODS}?labelSelector={selector}").status == (414 if terms > 2_000 else 200)
    labels = {f"a{number}": "b" for number in range(10_000)}
    expressions = [{"key": key, "operator": "Exists"} for key in labels]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels, "matchExpressions": expressions}, "template": template}
    body = {"metadata": {"name": "many"}, "spec": spec}
    assert client.post("/apis/apps/v1/namespaces/default/deployments?dryRun=All", body).status == 201


SELECTOR = st.text(alphabet="ab=!,()<> in\t.-/é0\0%", max_size=24)


@FUZZ
@given(text=SELECTOR, kind=st.sampled_from(KINDS))
def test_any_selector(client: Client, text: str, kind: Any) -> None:
    for parameter in ("labelSelector", "fieldSelector"):
        assert client.get(f"{collection(kind)}?{parameter}={quote(text)}").status in (200, 400)


ACCEPTS = [
    "",
    ",",
    ";",
    "x",
    "text/html",
    "application/json;q=x",
    "application/json;q=0",
    "application/json;as=Table",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
    "application/json;as=Table;g=x;v=y",
    "application/yaml",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "*/*;q=nan",
    "application/json;q=inf",
    "é",
    "a/b" * 5000,
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf",
    ",".join(["a/b;q=0.1"] * 2500),
    "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1",
    "application/json;stream=watch",
    "application/cbor",
    "application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2",
    ";=;=",
    "application/json;" + "a=b;" * 3000,
]
EVERYWHERE = (
    "/",
    "/api",
    "/apis",
    "/api/v1",
    "/openapi/v2",
    "/openapi/v3",
    "/version",
    "/metrics",
    "/readyz",
    PODS,
    f"{PODS}/x",
    "/api/v1/nodes",
    f"{PODS}/x/log",
    "/nowhere",
    f"{PODS}?watch=1&resourceVersion=x",
    "/api/v1/componentstatuses",
)


@pytest.mark.parametrize("path", EVERYWHERE)
def test_odd_accept_headers(client: Client, path: str) -> None:
    for accept in ACCEPTS:
        answer = client.get(path, Accept=accept)
        assert answer.status in (200, 400, 404, 406), (accept, answer.data[:200])


@pytest.mark.parametrize(
    "media", [*ACCEPTS, "application/json; charset=utf-16", "application/json/x", "multipart/form-data"]
)
def test_odd_content_types(client: Client, media: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        path = PODS if method == "POST" else f"{PODS}/x"
        answer = client.call(method, f"{path}?dryRun=All", b"{}", Content_Type=media)
        assert answer.status in (400, 404, 415, 422), (method, answer.data[:200])


HEADERS = {
    "Authorization": [
        "",
        "x",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer " + "a.b.c" * 3000,
        "Basic eDp5",
        "Bearer é",
        "bearer ..",
        "Bearer a.b.",
    ],
    "Impersonate-User": ["x", "", "system:admin"],
    "If-None-Match": ["*", '"x"', "x" * 5000, ""],
    "Range": ["bytes=0-1", "x"],
    "Accept-Encoding": ["gzip;q=x", "gzip;q=inf", "*", "x" * 5000, "gzip;q=nan"],
    "User-Agent": ["curl/é", "\x7f", ""],
    "X-Remote-User": ["root"],
    "Expect": ["x", "100-continue"],
    "Upgrade": ["websocket", "SPDY/3.1", "x"],
    "Content-Encoding": ["gzip", "x"],
}


@pytest.mark.parametrize("name", HEADERS)
def test_odd_headers(server: Server, name: str) -> None:
    for value in HEADERS[name]:
        connection = b"Connection: Upgrade\r\n" if name == "Upgrade" else b""
        for path in (PODS, f"{PODS}/x/log", "/openapi/v2", f"{PODS}/x/exec?command=x"):
            _raw(server, path, connection + name.encode() + b": " + value.encode("latin-1") + b"\r\n")


def test_a_header_that_never_ends_is_cut_and_holds_up_nobody(server: Server, client: Client) -> None:
    """A hundred clients that send a byte now and then; the others are served as ever."""
    slow = [server.connect() for _ in range(100)]
    try:
        for sock in slow:
            sock.sendall(b"GET /api/v1/pods HTTP/1.1\r\nHost: localhost\r\nX-A")
        started = time.monotonic()
        for number in range(20):
            for sock in slow[number::20]:
                sock.sendall(b"a")
            assert client.get(PODS).status == 200
        assert time.monotonic() - started < HANG_S
        slow[0].settimeout(20)
        answer = read_reply(slow[0])  # after the ten seconds that a header may take
        assert (answer.status, json.loads(answer.data)["reason"]) == (408, "Timeout")
    finally:
        for sock in slow:
            sock.close()


def _containers(one: bytes, count: int) -> bytes:
    return b'{"metadata":{"name":"x"},"spec":{"containers":[' + b",".join([one] * count) + b"]}}"


BODIES = {
    "nested lists": b'{"metadata":{"annotations":' + b"[" * (3 * MB // 2 - 100) + b"]" * (3 * MB // 2 - 100) + b"}}",
    "nested objects": b'{"a":' * (MB // 2) + b"1" + b"}" * (MB // 2),
    "flat lists": b'{"spec":{"containers":[' + b",".join([b"[]"] * (MB // 2)) + b"]}}",
    "many keys": b'{"metadata":{' + b",".join(b'"k%d":1' % n for n in range(200_000)) + b"}}",
    "one key many times": b'{"metadata":{' + b",".join([b'"name":"a"'] * 200_000) + b"}}",
    "unknown fields": _containers(b'{"x":1}', 200_000),
    "empty objects": _containers(b"{}", MB // 2),
    "as many objects as are taken": b'{"metadata":{"name":"x"},"spec":{"containers":['
    + b",".join([b'{"x":1}'] * 19_000)
    + b"]}}",
    "a huge number": b'{"metadata":{"generation":' + b"9" * (2 * MB) + b"}}",
    "a huge name": b'{"metadata":{"name":"' + b"a" * (2 * MB) + b'"}}',
    "escapes": b'{"metadata":{"name":"' + b"\\u0000" * (MB // 3) + b'"}}',
    "nulls": b'{"metadata":{"finalizers":[' + b",".join([b"null"] * (MB // 2)) + b"]}}",
    "spaces": b" " * (3 * MB - 2) + b"{}",
    "too large": b" " * (3 * MB + 1),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_three_megabytes_are_answered_in_time_and_memory_is_given_back(
    server: Server, client: Client, body: bytes
) -> None:
    client.post(f"{PODS}?dryRun=All&fieldValidation=Strict", body)
    before = server.rss_bytes
    for query in ("", "&fieldValidation=Strict", "&fieldValidation=Warn"):
        for media in ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
            answer = client.post(f"{PODS}?dryRun=All{query}", body, Content_Type=media)
            assert answer.status in (201, 400, 413, 422)
            assert len(answer.data) < 8 * MB
    for form in ("json-patch", "merge-patch", "strategic-merge-patch"):
        client.patch(f"{PODS}/x?dryRun=All", body, form)
    client.call("DELETE", f"{PODS}/x", body)
    assert server.rss_bytes - before < 250 * MB
