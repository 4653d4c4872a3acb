"""The guestbook's web front end: writes go to redis-master, reads to redis-slave.

GET  /                                      the page; POST / with `message` adds one
GET  /guestbook.php?cmd=get&key=messages    {"data": "..."}             as the original example answers
GET  /guestbook.php?cmd=set&key=K&value=V   {"message": "Updated"}
GET  /healthz                               ok while this process serves (says nothing of Redis)

Messages are one comma-separated value, as in the original; a comma inside a message is kept as %2C.
Every answer names the pod that gave it in X-Served-By. A connection carries one request, so that a browser's
next click may meet another pod.
"""

import html
import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from string import Template
from urllib.parse import parse_qs, urlsplit

from redis_client import RedisError, call

KEY = "messages"
MAX_MESSAGE = 500  # characters
MAX_BODY_BYTES = 64 * 1024
HOST_NAME = socket.gethostname()
PAGE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def read_messages() -> list[str]:
    """All messages, newest first."""
    raw = call("redis-slave", "GET", KEY) or ""
    return [decode(one) for one in raw.split(",") if one.strip()][::-1]


def add_message(text: str) -> None:
    """Append one message: APPEND is atomic, so two visitors never lose each other's words."""
    text = " ".join(text.split())[:MAX_MESSAGE]
    if text:
        call("redis-master", "APPEND", KEY, "," + encode(text))


def encode(text: str) -> str:
    return text.replace("%", "%25").replace(",", "%2C")


def decode(text: str) -> str:
    return text.replace("%2C", ",").replace("%25", "%")


def page(messages: list[str], problem: str = "") -> str:
    rows = "\n".join(f"<li>{html.escape(one)}</li>" for one in messages)
    return PAGE.substitute(
        messages=rows or '<li class="empty">No messages yet: be the first.</li>',
        problem=f'<p class="problem">{html.escape(problem)}</p>' if problem else "",
        pod=html.escape(HOST_NAME),
    )


class Guestbook(BaseHTTPRequestHandler):
    server_version = "guestbook"
    timeout = 10

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        if url.path == "/healthz":
            self._answer(200, "ok\n", "text/plain")
        elif url.path == "/guestbook.php":
            self._command(query)
        elif url.path in ("/", "/index.html"):
            self._page()
        else:
            self._answer(404, "not found\n", "text/plain")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if urlsplit(self.path).path != "/":
            self._answer(404, "not found\n", "text/plain")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self._answer(411, "Content-Length is missing\n", "text/plain")
            return
        if int(length) > MAX_BODY_BYTES:
            self._answer(413, f"a form holds at most {MAX_BODY_BYTES} bytes\n", "text/plain")
            return
        form = parse_qs(self.rfile.read(int(length)).decode(errors="replace"))
        try:
            add_message(form.get("message", [""])[0])
        except RedisError as error:
            self._answer(503, page([], f"The message was not kept: {error}"), "text/html")
            return
        self.send_response(303)
        self.send_header("Location", "/")
        self._finish(b"")

    def _page(self) -> None:
        try:
            self._answer(200, page(read_messages()), "text/html")
        except RedisError as error:
            self._answer(503, page([], f"Messages cannot be read just now: {error}"), "text/html")

    def _command(self, query: dict[str, str]) -> None:
        key = query.get("key", KEY)
        try:
            if query.get("cmd") == "get":
                self._json(200, {"data": call("redis-slave", "GET", key) or ""})
            elif query.get("cmd") == "set" and "value" in query:
                call("redis-master", "SET", key, query["value"])
                self._json(200, {"message": "Updated"})
            else:
                self._json(400, {"error": "use cmd=get&key=KEY or cmd=set&key=KEY&value=VALUE"})
        except RedisError as error:
            self._json(503, {"error": str(error)})

    def _json(self, status: int, body: dict[str, str]) -> None:
        self._answer(status, json.dumps(body) + "\n", "application/json")

    def _answer(self, status: int, text: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self._finish(text.encode())

    def _finish(self, body: bytes) -> None:
        self.send_header("X-Served-By", HOST_NAME)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        if self.path != "/healthz":  # probes would drown the visitors
            super().log_request(code, size)  # type: ignore[arg-type]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse lookup of our own name, which can wait seconds for DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST_NAME, self.server_address[1]


def main() -> None:
    # As the first process of its container this one would ignore SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(("", int(os.environ.get("PORT", "80"))), Guestbook)
    print(f"guestbook: serving on port {server.server_port} as {HOST_NAME}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
