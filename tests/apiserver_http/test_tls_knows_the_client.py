"""Client certificates, old protocol versions, ALPN, certificates changed while running, and the loopback rule."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from master.apiserver.http.message import Request, Response
from master.apiserver.http.server import Server
from master.apiserver.http.tls import TlsFiles
from master.certificates import Subject
from master.pki import Identity, Pki, apiserver_identity, ensure
from tests.apiserver_http.live import Serve, echo

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Contexts = Callable[..., ssl.SSLContext]


def who(request: Request) -> Response:
    peer = request.peer_certificate
    names = [peer.common_name, list(peer.organizations)] if peer else None
    return Response(200, json.dumps([names, request.bearer_token, request.peer_address]).encode())


def not_served(attempt: Callable[[], bytes]) -> bool:
    """In TLS 1.3 the refusal comes after the client's side of the handshake is done: as an error or as the end."""
    try:
        return attempt() == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_the_subject_of_a_client_certificate_reaches_the_handler(
    serve: Serve, tls_files: TlsFiles, client_context: Contexts
) -> None:
    live = serve(who, tls=tls_files)
    known = live.connect_tls(client_context("jane")).send(GET)
    assert json.loads(known.response().body) == [["jane", ["dev", "ops"]], None, "127.0.0.1"]
    unknown = live.connect_tls(client_context()).send(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: bearer t0\r\n\r\n")
    assert json.loads(unknown.response().body) == [None, "t0", "127.0.0.1"]


def test_a_certificate_of_another_ca_is_refused(
    serve: Serve, tls_files: TlsFiles, client_context: Contexts, tmp_path: Path
) -> None:
    mallory = Identity(name="m", subject=Subject(common_name="jane", organizations=("ops",), client=True))
    foreign = ensure(tmp_path, [mallory], server="https://x")
    context = client_context()
    context.load_cert_chain(foreign.certificate("m"), foreign.key("m"))
    live = serve(who, tls=tls_files)
    assert not_served(lambda: live.connect_tls(context).send(GET).to_the_end())
    assert live.connect_tls(client_context()).send(GET).response().status == 200


def test_a_server_certificate_is_no_client_certificate(
    serve: Serve, tls_files: TlsFiles, client_context: Contexts
) -> None:
    live = serve(who, tls=tls_files)
    assert not_served(lambda: live.connect_tls(client_context("apiserver")).send(GET).to_the_end())


def test_tls_1_2_is_spoken_and_http_1_1_alone_is_offered(
    serve: Serve, tls_files: TlsFiles, client_context: Contexts
) -> None:
    context = client_context("jane")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = serve(who, tls=tls_files).connect_tls(context)
    assert isinstance(client.sock, ssl.SSLSocket)
    assert (client.sock.version(), client.sock.selected_alpn_protocol()) == ("TLSv1.2", "http/1.1")
    assert json.loads(client.send(GET).response().body)[0] == ["jane", ["dev", "ops"]]


def test_new_certificates_are_used_without_a_restart(
    serve: Serve, client_context: Contexts, pki: Pki, tmp_path: Path
) -> None:
    names = {"host_name": "m", "addresses": ["192.0.2.1"], "service_ip": "10.96.0.1", "domain": "c.local"}
    fresh = ensure(tmp_path / "new", [apiserver_identity(**names)], server="https://x")  # type: ignore[arg-type]
    files = TlsFiles(certificate=tmp_path / "crt", key=tmp_path / "key", client_ca=pki.ca_certificate)
    shutil.copy(pki.certificate("apiserver"), files.certificate)
    shutil.copy(pki.key("apiserver"), files.key)
    live = serve(echo, tls=files)
    before = live.connect_tls(client_context())

    shutil.copy(fresh.certificate("apiserver"), files.certificate)
    with pytest.raises(OSError, match="key values mismatch"):
        live.server.reload_certificates()
    assert live.connect_tls(client_context()).send(GET).response().status == 200, "the old pair still serves"

    shutil.copy(fresh.key("apiserver"), files.key)
    live.server.reload_certificates()
    after = live.connect_tls(client_context(ca=fresh.ca_certificate))
    assert after.send(GET).response().status == 200
    assert before.send(GET).response().status == 200, "a connection from before goes on"


def test_garbage_at_the_tls_port_harms_nobody(serve: Serve, tls_files: TlsFiles, client_context: Contexts) -> None:
    live = serve(echo, tls=tls_files)
    plain = live.connect()
    plain.sock.close()
    for garbage in (GET, b"\0" * 500, b"\x16\x03\x01\xff\xff" + b"a" * 100):
        client = live.connect_tls_raw().send(garbage)
        client.to_the_end()
    assert live.connect_tls(client_context()).send(GET).response().status == 200


def test_the_requests_library_and_curl_are_served(
    serve: Serve, tls_files: TlsFiles, pki: Pki, client_context: Contexts
) -> None:
    live = serve(who, tls=tls_files)
    url = f"https://localhost:{live.server.port}/x?y=1"
    pair = (str(pki.certificate("jane")), str(pki.key("jane")))
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(3):
            answer = session.get(url, cert=pair, verify=str(pki.ca_certificate), timeout=10)
            assert answer.json()[0] == ["jane", ["dev", "ops"]]
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--cacert", str(pki.ca_certificate)]
    out = subprocess.run(
        [*command, "--cert", pair[0], "--key", pair[1], url], check=True, capture_output=True, timeout=20
    )
    assert json.loads(out.stdout)[0] == ["jane", ["dev", "ops"]]


def test_curl_uploads_with_100_continue_and_reads_gzip(serve: Serve, tmp_path: Path) -> None:
    live = serve(lambda request: Response(200, request.body, content_type="text/plain"))
    body = b"0123456789abcdef" * 100_000
    (tmp_path / "body").write_bytes(body)
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--compressed", "-H", "Expect: 100-continue"]
    url = f"http://127.0.0.1:{live.server.plain_port}/"
    out = subprocess.run(
        [*command, "-w", "%{size_download}", "-o", str(tmp_path / "out"), "-T", str(tmp_path / "body"), url],
        check=True,
        capture_output=True,
        timeout=20,
    )
    assert (tmp_path / "out").read_bytes() == body
    assert int(out.stdout) < len(body) / 10, "it came compressed"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"tls": None}, "tls: required"),
        ({"tls": None, "plain_port": 0, "plain_address": "0.0.0.0"}, "plain_address: '0.0.0.0' is not a loopback"),
    ],
)
def test_settings_that_would_open_a_door_are_refused(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Server(echo, **arguments)  # type: ignore[arg-type]
