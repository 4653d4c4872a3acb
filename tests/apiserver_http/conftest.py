"""Servers and certificates for the tests of the HTTP edge."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from master.apiserver.http.limits import Limits
from master.apiserver.http.message import Handler
from master.apiserver.http.server import Server
from master.apiserver.http.tls import TlsFiles
from master.certificates import Subject
from master.pki import Identity, Pki, apiserver_identity, ensure
from tests.apiserver_http.live import Live, Serve, running_loop


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a handler; a plain listener unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def start(handler: Handler, *, tls: TlsFiles | None = None, **limits: Any) -> Live:
            loop = stack.enter_context(running_loop())
            server = Server(handler, address="127.0.0.1", port=0, tls=tls, plain_port=0, limits=Limits(**limits))
            live = Live(server, loop)
            live.run(server.start())
            stack.callback(lambda: live.run(server.stop(0.2)))
            stack.callback(lambda: [sock.close() for sock in live.clients])
            return live

        yield start


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    names = {"host_name": "m", "addresses": (), "service_ip": "10.96.0.1", "domain": "cluster.local"}
    server = apiserver_identity(**names)  # type: ignore[arg-type]
    user = Subject(common_name="jane", organizations=("dev", "ops"), client=True)
    people = (server, Identity(name="jane", subject=user))
    return ensure(tmp_path_factory.mktemp("pki"), people, server="https://localhost")


@pytest.fixture(scope="session")
def tls_files(pki: Pki) -> TlsFiles:
    return TlsFiles(certificate=pki.certificate("apiserver"), key=pki.key("apiserver"), client_ca=pki.ca_certificate)


@pytest.fixture
def client_context(pki: Pki) -> Callable[..., ssl.SSLContext]:
    def make(user: str | None = None, ca: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=ca or pki.ca_certificate)
        if user is not None:
            context.load_cert_chain(pki.certificate(user), pki.key(user))
        return context

    return make
