"""Requests a second of the HTTP edge with a handler that does nothing: the most the apiserver can reach.

    apt-get install wrk
    python -m bench.apiserver_http [--seconds 5] [--connections 50]

The server runs in this process, wrk in its own; on two cores each has one. TLS is measured with client certificates, on
kept connections; a new handshake costs about a millisecond more. Not named `http.py`:
a script started from this folder would import it in place of the standard library's `http`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.apiserver import show
from bench.wrk import ClientCertificate, Load, wrk
from master.apiserver.http.message import Answer, Request, Response, Sink, Stream
from master.apiserver.http.server import Server
from master.apiserver.http.tls import TlsFiles
from master.certificates import Subject
from master.pki import Identity, apiserver_identity, ensure

_SMALL = Response(200, b'{"kind":"Status","apiVersion":"v1","status":"Success"}')
_LARGE = Response(200, b"a" * 100_000)


async def _streamed(sink: Sink) -> None:
    await sink.write(_SMALL.body)


async def _awaited() -> Response:
    return _SMALL


def handle(request: Request) -> Answer:
    """The path chooses what is measured."""
    if request.path == "/awaited":
        return _awaited()  # type: ignore[return-value]
    if request.path == "/stream":
        return Stream(200, _streamed)
    return _LARGE if request.path == "/large" else _SMALL


async def measure(seconds: int, connections: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        people = (
            apiserver_identity(host_name="bench", addresses=(), service_ip="10.96.0.1", domain="x"),
            Identity(name="user", subject=Subject(common_name="user", client=True)),
        )
        pki = ensure(Path(directory), people, server="https://localhost")
        files = TlsFiles(
            certificate=pki.certificate("apiserver"), key=pki.key("apiserver"), client_ca=pki.ca_certificate
        )
        client = ClientCertificate(pki.certificate("user"), pki.key("user"))
        server = Server(handle, address="127.0.0.1", port=0, tls=files, plain_port=0)
        await server.start()
        try:
            for scheme, port in (("http", server.plain_port), ("https", server.port)):
                for path in ("small", "awaited", "stream", "large"):
                    load, busy = Load(f"/{path}"), time.process_time()
                    result = await wrk(
                        f"{scheme}://127.0.0.1:{port}",
                        load,
                        seconds=seconds,
                        connections=connections,
                        client=client if scheme == "https" else None,
                    )
                    show(f"{scheme} {path}", result, (time.process_time() - busy) / result.answers)
        finally:
            await server.stop(2.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=50)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 1
    asyncio.run(measure(arguments.seconds, arguments.connections))
    return 0


if __name__ == "__main__":
    sys.exit(main())
