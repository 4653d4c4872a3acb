"""Serves two answers over TLS to those with a certificate."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fakemaster.config import Config


def run(config: Config, stop: threading.Event) -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.node_name},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    answers = {
        "/readyz": b"ok",
        f"/api/v1/nodes/{config.node_name}": json.dumps(node).encode(),
        "/api/v1/nodes": json.dumps({"metadata": {}, "items": [node]}).encode(),
    }

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, b"{}")
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.pki / "apiserver.crt", config.pki / "apiserver.key")
    context.load_verify_locations(config.pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", config.port), Answer)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="site", kwargs={"poll_interval": 0.05})
    thread.start()
    stop.wait(300)
    server.shutdown()
    thread.join(5)
    server.server_close()
