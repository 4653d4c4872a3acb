"""The demo's own parts: the manifest it reads, and what it takes for a guestbook that serves."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from api.core import ReplicationController, Service
from cli.demo import missing_answer, read_manifest
from cli.errors import CommandError

ROOT = Path(__file__).parents[2]


def test_the_guestbook_is_three_controllers_and_three_services() -> None:
    items = read_manifest(ROOT / "examples/guestbook/guestbook.yaml")
    controllers = {one.metadata.name: one for one in items if isinstance(one, ReplicationController)}
    services = {one.metadata.name: one for one in items if isinstance(one, Service)}
    assert {name: one.spec.replicas for name, one in controllers.items() if one.spec} == {
        "redis-master": 1,
        "redis-slave": 2,
        "frontend": 3,
    }
    assert set(services) == set(controllers)
    frontend = services["frontend"].spec
    assert frontend is not None
    assert (frontend.type, frontend.ports[0].node_port, frontend.selector) == ("NodePort", 30001, {"name": "frontend"})
    for name, controller in controllers.items():
        assert controller.spec is not None
        assert controller.spec.template is not None
        assert controller.spec.selector == {"name": name}
        assert controller.spec.template.metadata.labels["name"] == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "document 1 is not an object"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: Nothing", "document 2: no kind 'Nothing'"),
    ],
)
def test_a_bad_manifest_is_told(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(CommandError, match=problem):
        read_manifest(tmp_path / "m.yaml")


def test_a_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        read_manifest(tmp_path / "none.yaml")
    assert "--manifest" in caught.value.hint


@pytest.fixture
def site() -> Iterator[HTTPServer]:
    """A site that answers with the status it is given."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.end_headers()
            self.wfile.write(b'{"error": "redis-slave is away"}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, name="site", kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_the_guestbook_serves_only_with_redis_behind_it(site: HTTPServer) -> None:
    address = f"http://127.0.0.1:{site.server_port}/"
    site.status = 503  # type: ignore[attr-defined]
    assert missing_answer(address) == 'answered 503: {"error": "redis-slave is away"}'
    site.status = 200  # type: ignore[attr-defined]
    assert missing_answer(address) == ""


def test_nobody_listening_is_told() -> None:
    assert "refused" in missing_answer("http://127.0.0.1:1/")
