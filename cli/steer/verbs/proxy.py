"""`steer proxy`: a door to the API server on this host, for programs that know no certificates.

Whoever reaches the port acts with the rights of the kubeconfig: so it is on loopback, and what names another host is
refused (a page in a browser cannot reach it under a name of its own).
"""

import http.client
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import click

from cli.steer.failures import Failure
from cli.steer.session import Session, with_session
from client import Credentials

_HOSTS = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$"
_NO_PATHS = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach"
_TIMEOUT_S = 3600.0
_PIECE_BYTES = 64 * 1024
# Of one hop, or said anew by who sends on.
_OF_ONE_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "authorization", "content-length",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gate:
    """What is let through, by regular expressions: all of it when ``open``."""

    hosts: tuple[re.Pattern[str], ...]
    paths: tuple[re.Pattern[str], ...]
    no_paths: tuple[re.Pattern[str], ...]
    no_methods: tuple[re.Pattern[str], ...]
    open: bool

    def lets(self, method: str, path: str, host: str) -> bool:
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return self.open or (
            _any(self.hosts, name)
            and _any(self.paths, path)
            and not _any(self.no_paths, path)
            and not _any(self.no_methods, method)
        )


def _any(patterns: Iterable[re.Pattern[str]], text: str) -> bool:
    return any(one.search(text) for one in patterns)


def _patterns(_: click.Context, option: click.Parameter, text: str) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(one) for one in text.split(","))
    except re.error as error:
        raise click.BadParameter(f"{option.opts[0]}: {error}") from error


@click.command("proxy")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=8001, help="The port; 0: any that is free.")
@click.option("--address", default="127.0.0.1", help="The address to listen at.")
@click.option("--api-prefix", default="/", help="The path under which the API is served.")
@click.option("--accept-hosts", "hosts", default=_HOSTS, callback=_patterns, help="Hosts that may be named.")
@click.option("--accept-paths", "paths", default="^.*", callback=_patterns, help="Paths that are served.")
@click.option("--reject-paths", "no_paths", default=_NO_PATHS, callback=_patterns, help="Paths that are not.")
@click.option("--reject-methods", "no_methods", default="^$", callback=_patterns, help="Methods that are not.")
@click.option("--disable-filter", is_flag=True, help="Let all through; dangerous where others reach the port.")
@with_session
def command(session: Session, port: int, address: str, api_prefix: str, disable_filter: bool, **gates: Any) -> None:
    """Run a proxy to the Kubernetes API server."""
    gate = Gate(**gates, open=disable_filter)
    prefix = "/" + api_prefix.strip("/")
    try:
        made = server(session.credentials, address, port, gate, prefix=prefix.rstrip("/"))
    except OSError as error:
        raise Failure(f"listen tcp {address}:{port}: {(error.strerror or str(error)).lower()}") from error
    with made as running:
        print("Starting to serve on {}:{}".format(*running.server_address[:2]), flush=True)
        running.serve_forever()


def server(credentials: Credentials, address: str, port: int, gate: Gate, *, prefix: str = "") -> ThreadingHTTPServer:
    """Listens already. Raises OSError."""
    where, trust = urlsplit(credentials.server), credentials.ssl_context()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _TIMEOUT_S
        # Whether an answer is on its way: then there is no place for another, and who is gone needs none.
        _begun = False

        def _pass_on(self) -> None:
            if not gate.lets(self.command, urlsplit(self.path).path, self.headers.get("Host", "")):
                self._say(403, "Forbidden")
                return
            if not self.path.startswith(f"{prefix}/"):
                self._say(404, "Not Found")
                return
            if self.headers.get("Upgrade") or "chunked" in self.headers.get("Transfer-Encoding", ""):
                self._say(501, "steer proxy passes on neither upgrades nor bodies without a length")
                return
            connection = http.client.HTTPSConnection(
                where.hostname or "", where.port or 443, context=trust, timeout=_TIMEOUT_S
            )
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.close_connection = True
                if not self._begun:
                    self._say(502, str(error))
            finally:
                self._begun = False
                connection.close()

        def _ask(self, connection: http.client.HTTPSConnection) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = Message()
            for key, value in self.headers.items():
                # Who acts as somebody else by a flag is not made yet another one by what comes in.
                kept_out = bool(credentials.acting_as) and key.lower().startswith("impersonate-")
                if key.lower() not in _OF_ONE_HOP and not kept_out:
                    headers[key] = value
            for key, value in credentials.headers:
                headers[key] = value
            body = self.rfile.read(length) if length else None
            connection.request(self.command, self.path.removeprefix(prefix), body=body, headers=headers)  # type: ignore[arg-type]
            answer = connection.getresponse()
            self._begun = True
            self.send_response_only(answer.status, answer.reason)
            for key, value in answer.getheaders():
                if key.lower() not in _OF_ONE_HOP:
                    self.send_header(key, value)
            self._send_body(answer)

        def _send_body(self, answer: http.client.HTTPResponse) -> None:
            """As it comes: a watch has no end that could be waited for."""
            if answer.length is not None:
                self.send_header("Content-Length", str(answer.length))
                self.end_headers()
                while piece := answer.read1(_PIECE_BYTES):
                    self.wfile.write(piece)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while piece := answer.read1(_PIECE_BYTES):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def _say(self, code: int, text: str) -> None:
            body = text.encode()
            self.send_response_only(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        # The names are those of http.server.
        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """kubectl's is silent too."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server((address, port), Handler)
