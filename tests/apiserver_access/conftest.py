"""A whole apiserver for these tests: the fixtures of tests/apiserver, and users of any name and group."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from master import certificates as making
from master import pki
from tests.apiserver.conftest import (  # noqa: F401
    admin,
    as_user,
    certificates,
    kubectl,
    namespace,
    new_server,
    server,
)
from tests.apiserver.tests_apiserver import Api, Running

Person = Callable[..., Api]


@pytest.fixture
def person(server: Running, certificates: pki.Pki, tmp_path: Path) -> Iterator[Person]:  # noqa: F811
    """A client with a certificate of its own for this name and these groups."""
    opened: list[Api] = []

    def client(name: str, *groups: str) -> Api:
        now = datetime.datetime.now(datetime.UTC)
        ca = making.Pair(
            making.load_certificate(certificates.ca_certificate.read_bytes()),
            making.load_key(certificates.ca_key.read_bytes()),
        )
        subject = making.Subject(common_name=name, organizations=groups, client=True)
        pair = making.make_leaf(ca, subject, now=now)
        file = tmp_path / f"{len(opened)}.pem"
        file.write_bytes(pair.certificate_pem() + pair.key_pem())
        context = urllib3.util.create_urllib3_context()
        context.load_verify_locations(cadata=certificates.ca_certificate.read_text())
        context.load_cert_chain(file)
        opened.append(Api(server.url, urllib3.PoolManager(ssl_context=context, retries=False, maxsize=4)))
        return opened[-1]

    yield client
    for api in opened:
        api.pool.clear()
