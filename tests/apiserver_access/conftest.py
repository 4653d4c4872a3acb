"""A whole apiserver for these tests: the fixtures of tests/apiserver, and users of any name and group."""

import datetime
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

_APISERVER = Path(__file__).parent.parent / "apiserver"
sys.path.insert(0, str(_APISERVER))

from tests_apiserver import Api, Running  # noqa: E402

from master import certificates as making  # noqa: E402
from master import pki  # noqa: E402


def _fixtures() -> object:
    """The folders of tests are no packages, so the fixtures of a neighbour are loaded by their path."""
    spec = importlib.util.spec_from_file_location("apiserver_fixtures", _APISERVER / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_shared = _fixtures()
certificates = _shared.certificates  # type: ignore[attr-defined]
new_server = _shared.new_server  # type: ignore[attr-defined]
server = _shared.server  # type: ignore[attr-defined]
as_user = _shared.as_user  # type: ignore[attr-defined]
admin = _shared.admin  # type: ignore[attr-defined]
namespace = _shared.namespace  # type: ignore[attr-defined]
kubectl = _shared.kubectl  # type: ignore[attr-defined]

Person = Callable[..., Api]


@pytest.fixture
def person(server: Running, certificates: pki.Pki, tmp_path: Path) -> Iterator[Person]:
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
