"""A small extender: a real HTTP server that answers as a test says."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]


class Extender:
    """A server with an answer for each verb. ``asked``: what came, by verb."""

    def __init__(self, trust: ssl.SSLContext | None = None, **verbs: Answer) -> None:
        self.asked: dict[str, list[dict[str, Any]]] = {verb: [] for verb in verbs}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                verb = self.path.rpartition("/")[2]
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked[verb].append(body)
                text = json.dumps(verbs[verb](body)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if trust is not None:
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "http" if trust is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, name="extender under test")
        self._thread.start()

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}/scheduler"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


def names(body: dict[str, Any]) -> list[str]:
    items = (
        body["Nodes"]["items"] if body.get("Nodes") else [{"metadata": {"name": name}} for name in body["NodeNames"]]
    )
    return [item["metadata"]["name"] for item in items]
