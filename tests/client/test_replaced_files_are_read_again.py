"""Certificates and kubeconfigs that are replaced while a process runs."""

from pathlib import Path

import pytest

from client import Client, fresh
from client.fresh import Fresh
from client.kubeconfig import load_kubeconfig
from tests.client.api_server import ApiServer

_KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "%s"}}]
users: [{name: u, user: {token: "%s"}}]
"""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "LOOK_S", 0.0)


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_what_is_no_good_is_left_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    read: list[int] = []

    def take() -> None:
        read.append(int(path.read_text()))

    files = Fresh(path)
    files.follow(take)
    assert read == []
    _replace(path, "spoilt")
    files.follow(take)
    _replace(path, "22")
    files.follow(take)
    files.follow(take)
    assert read == [22]
    assert files.failures == 1


def test_a_client_uses_the_kubeconfig_of_now(api: ApiServer, tmp_path: Path) -> None:
    path, other = tmp_path / "kubeconfig", ApiServer()
    path.write_text(_KUBECONFIG % (api.url, "old"))
    client = Client(load_kubeconfig(path))
    try:
        client.transport.request("GET", "/api/v1/pods")
        _replace(path, _KUBECONFIG % (other.url, "renewed"))
        client.transport.request("GET", "/api/v1/pods")
    finally:
        client.close()
        other.close()
    assert (api.tokens, other.tokens) == (["Bearer old"], ["Bearer renewed"])
