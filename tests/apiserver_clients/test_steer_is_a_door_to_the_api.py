"""`steer proxy`: what goes through it, and what does not."""

import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_apiserver import Api

from cli.steer.verbs.proxy import Gate, command, server
from client import load_kubeconfig


def gate(*arguments: str) -> Gate:
    values = command.make_context("proxy", list(arguments)).params
    names = ("hosts", "paths", "no_paths", "no_methods")
    return Gate(**{name: values[name] for name in names}, open=values["disable_filter"])


@pytest.fixture
def port(kubeconfig: Path) -> Iterator[int]:
    made = server(load_kubeconfig(kubeconfig), "127.0.0.1", 0, gate())
    thread = threading.Thread(target=made.serve_forever, name="proxy under test")
    thread.start()
    yield made.server_address[1]
    made.shutdown()
    thread.join(30)
    made.server_close()


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_objects_are_made_read_and_removed_through_it(port: int, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert ask(port, "POST", path, {"metadata": {"name": "c"}, "data": {"a": "b"}})[0] == 201
    status, answer = ask(port, "GET", f"{path}/c?pretty=true")
    assert (status, json.loads(answer)["data"]) == (200, {"a": "b"})
    assert ask(port, "GET", f"{path}/c", Accept="application/yaml")[1].startswith(b"apiVersion: v1\n")
    assert ask(port, "DELETE", f"{path}/c")[0] == 200
    assert ask(port, "GET", f"{path}/c")[0] == 404
    assert (ask(port, "HEAD", "/healthz"), ask(port, "HEAD", path)) == ((200, b""), (405, b""))


def test_a_watch_comes_as_it_happens_and_may_be_left(
    port: int, admin: Api, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"{path}?watch=true&timeoutSeconds=60")
    answer = connection.getresponse()
    for name in ("one", "two"):
        admin.post(path, {"metadata": {"name": name}})
        assert json.loads(answer.readline())["object"]["metadata"]["name"] == name
    answer.close()
    connection.close()
    end = time.monotonic() + 60
    while any("process_request_thread" in one.name for one in threading.enumerate()):
        assert time.monotonic() < end, "the watch goes on"
        # An event is what shows that nobody listens.
        admin.post(path, {"metadata": {"generateName": "more-"}})
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_server_that_is_away_is_told(kubeconfig: Path) -> None:
    credentials = dataclasses.replace(load_kubeconfig(kubeconfig), server="https://127.0.0.1:1")
    made = server(credentials, "127.0.0.1", 0, gate())
    thread = threading.Thread(target=made.serve_forever, name="proxy under test")
    thread.start()
    try:
        status, said = ask(made.server_address[1], "GET", "/version")
    finally:
        made.shutdown()
        thread.join(30)
        made.server_close()
    assert (status, b"refused" in said) == (502, True)


def test_what_names_another_host_or_enters_a_pod_is_refused(port: int) -> None:
    assert ask(port, "GET", "/version", Host="evil.example:8001") == (403, b"Forbidden")
    assert ask(port, "GET", "/version", Host="localhost:1")[0] == 200
    assert ask(port, "POST", "/api/v1/namespaces/default/pods/p/exec?command=id")[0] == 403
    assert ask(port, "GET", "/api/v1/pods", Upgrade="websocket", Connection="Upgrade")[0] == 501


@pytest.mark.parametrize(
    ("arguments", "method", "path", "host", "expected"),
    [
        ((), "GET", "/x", "127.0.0.1:8001", True),
        ((), "GET", "/x", "[::1]:8001", True),
        ((), "GET", "/x", "[::1]", True),
        ((), "GET", "/x", "127.0.0.1.evil", False),
        ((), "GET", "/x", "", False),
        (("--reject-methods=POST,DELETE",), "POST", "/x", "localhost", False),
        (("--accept-paths=^/api",), "GET", "/version", "localhost", False),
        (("--disable-filter",), "POST", "/api/v1/namespaces/a/pods/b/exec", "evil", True),
    ],
)
def test_the_gate(arguments: tuple[str, ...], method: str, path: str, host: str, expected: bool) -> None:
    assert gate(*arguments).lets(method, path, host) is expected
