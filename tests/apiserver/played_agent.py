"""An agent of a node that a test plays: it answers over TLS with the certificate of the agent."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from master import pki


class PlayedAgent(BaseHTTPRequestHandler):
    """Answers each GET with ``lines``."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def do_GET(self) -> None:
        body = ("\n".join(self.lines()) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@contextlib.contextmanager
def agent_that(handler: type[BaseHTTPRequestHandler], certificates: pki.Pki) -> Iterator[int]:
    """The port at which ``handler`` answers those who show a certificate of the cluster."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate("agent"), certificates.key("agent"))
    context.load_verify_locations(certificates.ca_certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="agent of the test")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def node_at(port: int, name: str, **more: Any) -> dict[str, Any]:
    """A node whose agent has this port; ``more`` stands in its status."""
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        **more,
    }
    return {"metadata": {"name": name}, "status": status}
