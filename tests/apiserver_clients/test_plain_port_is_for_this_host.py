"""The port without TLS has all rights, so a page of a stranger in a browser on this host must get none of them."""

from collections.abc import Iterator

import pytest
import urllib3
from tests_apiserver import Running, free_port

from master import pki
from master.apiserver.config import Config


@pytest.fixture(scope="module")
def address(certificates: pki.Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    config = Config(
        bind_address="127.0.0.1",
        secure_port=0,
        insecure_port=port,
        config_dir=certificates.directory,
        data_dir=tmp_path_factory.mktemp("data"),
        shutdown_grace_s=1.0,
    )
    running = Running(config)
    yield f"127.0.0.1:{port}"
    running.stop()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://HERE", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Host": "localhost:1"}, 201),
        ({"Host": "rebound.example.com"}, 403),
        ({"Origin": "http://example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_who_may_write(address: str, headers: dict[str, str], status: int) -> None:
    sent = {name: value.replace("HERE", address) for name, value in headers.items()}
    body, path = b'{"metadata":{"generateName":"c-"}}', "/api/v1/namespaces/default/configmaps"
    with urllib3.PoolManager(retries=False) as client:
        answer = client.request("POST", f"http://{address}{path}", body=body, headers=sent)
    assert answer.status == status, answer.data


def test_a_person_opens_the_page(address: str) -> None:
    with urllib3.PoolManager(retries=False) as client:
        page = client.request("GET", f"http://{address}/swagger-ui/", headers={"Sec-Fetch-Site": "none"})
    assert page.status == 200
    assert b"swagger-ui-bundle.js" in page.data
