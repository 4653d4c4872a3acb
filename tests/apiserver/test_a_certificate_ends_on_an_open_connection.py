"""A client's certificate counts until its last second, however long ago the handshake was."""

import datetime
import http.client
import ssl
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests_apiserver import Running

from master import pki
from master.certificates import LEAF_DAYS, Pair, Subject, make_leaf

LIFE_S = 12
LIMIT_S = 60


def ending_soon(certificates: pki.Pki, folder: Path) -> tuple[Path, Path]:
    """Certificate and key of an administrator for the next seconds."""
    authority = x509.load_pem_x509_certificate(certificates.ca_certificate.read_bytes())
    key = serialization.load_pem_private_key(certificates.ca_certificate.with_suffix(".key").read_bytes(), None)
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=LEAF_DAYS) + datetime.timedelta(seconds=LIFE_S)
    made = make_leaf(
        Pair(authority, key), Subject(common_name="late", organizations=("system:masters",), client=True), now=begin
    )
    paths = folder / "late.crt", folder / "late.key"
    paths[0].write_bytes(made.certificate_pem())
    paths[1].write_bytes(made.key_pem())
    return paths


def test_who_was_let_in_is_asked_to_come_back_with_a_new_one(
    server: Running, certificates: pki.Pki, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca_certificate))
    context.load_cert_chain(*ending_soon(certificates, tmp_path))
    connection = http.client.HTTPSConnection("127.0.0.1", server.api.port, context=context, timeout=LIMIT_S)

    def status(path: str) -> int:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    one, many = "/api/v1/namespaces/default", "/api/v1/namespaces"
    # Twice, since the second time the short way is taken.
    assert [status(one), status(one), status(many)] == [200, 200, 200]
    socket, end = connection.sock, time.monotonic() + LIMIT_S
    while status(one) == 200 and time.monotonic() < end:
        time.sleep(0.1)
    assert [status(one), status(many)] == [401, 401]
    assert connection.sock is socket, "the connection itself goes on"
    connection.close()
