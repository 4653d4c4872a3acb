"""Kubeconfig files: what is read, and errors that name file and field."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from client.kubeconfig import Credentials, KubeconfigError, load_kubeconfig
from master.pki import Pki, ensure, standard_identities


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return ensure(tmp_path_factory.mktemp("pki"), standard_identities(node_name="n"), server="https://127.0.0.1:6443")


def document(**user: Any) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user}],
    }


def load(path: Path, content: Any) -> Credentials:
    file = path / "config"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_kubeconfig(file)


def refusal(path: Path, content: Any) -> str:
    with pytest.raises(KubeconfigError) as caught:
        load(path, content)
    said = str(caught.value)
    assert said.startswith(f"{path / 'config'}: ")
    return said.removeprefix(f"{path / 'config'}: ")


def test_a_token_is_read(tmp_path: Path) -> None:
    credentials = load(tmp_path, document(token="secret"))
    assert (credentials.server, credentials.token) == ("https://127.0.0.1:6443", "secret")
    assert "secret" not in repr(credentials)


def pair(pki: Pki) -> tuple[bytes, bytes, bytes]:
    """CA, certificate and key of a component."""
    credentials = load_kubeconfig(next(pki.kubeconfig("x").parent.glob("*.kubeconfig")))
    assert credentials.certificate
    assert credentials.key
    return credentials.ca, credentials.certificate, credentials.key


def test_embedded_certificates_are_read(tmp_path: Path, pki: Pki) -> None:
    ca, certificate, key = pair(pki)
    content = document(
        **{
            "client-certificate-data": base64.b64encode(certificate).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        }
    )
    content["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(ca).decode()
    credentials = load(tmp_path, content)
    assert (credentials.ca, credentials.certificate, credentials.key) == (ca, certificate, key)
    assert b"KEY" in key
    assert "KEY" not in repr(credentials)
    assert credentials.ssl_context().get_ca_certs()


def test_certificates_are_read_from_files_beside_the_config(tmp_path: Path, pki: Pki) -> None:
    ca, certificate, key = pair(pki)
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/ca.crt").write_bytes(ca)
    (tmp_path / "own.crt").write_bytes(certificate)
    (tmp_path / "own.key").write_bytes(key)
    content = document(**{"client-certificate": str(tmp_path / "own.crt"), "client-key": "own.key"})
    content["clusters"][0]["cluster"]["certificate-authority"] = "pki/ca.crt"
    credentials = load(tmp_path, content)
    assert (credentials.ca, credentials.certificate, credentials.key) == (ca, certificate, key)


def test_a_kernel_without_memory_files_will_do(monkeypatch: pytest.MonkeyPatch, pki: Pki) -> None:
    def missing(*_: Any) -> int:
        raise OSError(38, "Function not implemented")

    ca, certificate, key = pair(pki)
    credentials = Credentials(server="https://x", ca=ca, certificate=certificate, key=key)
    monkeypatch.setattr(os, "memfd_create", missing)
    assert credentials.ssl_context().get_ca_certs()
    monkeypatch.delattr(os, "memfd_create")  # as in a Python that was built for glibc 2.17
    assert credentials.ssl_context().get_ca_certs()


def changed(**changes: Any) -> dict[str, Any]:
    return {**document(token="t"), **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "while parsing"),
        ("", "not a kubeconfig"),
        ("- a", "not a kubeconfig"),
        (changed(**{"current-context": ""}), "current-context is missing"),
        (changed(**{"current-context": "there"}), 'contexts has no entry named "there"'),
        (changed(contexts=5), 'contexts has no entry named "here"'),
        (changed(contexts=[{"name": "here", "context": None}]), 'contexts has no entry named "here"'),
        (changed(clusters=[]), 'clusters has no entry named "c"'),
        (changed(users={"u": {}}), 'users has no entry named "u"'),
        (changed(clusters=[{"name": "c", "cluster": {}}]), "clusters[].cluster.server is missing"),
        (changed(clusters=[{"name": "c", "cluster": {"server": None}}]), "clusters[].cluster.server is missing"),
        (
            changed(clusters=[{"name": "c", "cluster": {"server": "127.0.0.1:6443"}}]),
            "clusters[].cluster.server: must begin with https:// or http://",
        ),
        (
            changed(clusters=[{"name": "c", "cluster": {"server": "https://a", "insecure-skip-tls-verify": True}}]),
            "clusters[].cluster.insecure-skip-tls-verify is not supported",
        ),
        (
            changed(clusters=[{"name": "c", "cluster": {"server": "https://a", "certificate-authority": "none"}}]),
            "certificate-authority: [Errno 2]",
        ),
        (
            changed(clusters=[{"name": "c", "cluster": {"server": "https://a", "certificate-authority-data": "!"}}]),
            "certificate-authority-data is not base64",
        ),
        (
            changed(clusters=[{"name": "c", "cluster": {"server": "https://a", "certificate-authority-data": "YQ=="}}]),
            "certificate-authority: no certificate in PEM form",
        ),
        (document(exec={"command": "aws"}), "users[].user.exec is not supported; use a certificate or a token"),
        (document(**{"auth-provider": {"name": "x"}}), "users[].user.auth-provider is not supported"),
        (document(username="a", password="b"), "users[].user.username is not supported"),
        (document(tokenFile="/x"), "users[].user.tokenFile is not supported"),
        (document(**{"client-certificate-data": "YQ=="}), "users[].user.client-key is missing"),
        (document(**{"client-key-data": "YQ=="}), "users[].user.client-certificate is missing"),
        (
            document(**{"client-certificate-data": "YQ==", "client-key-data": "YQ=="}),
            "client-certificate, client-key: not a certificate and its key in PEM form",
        ),
        (document(**{"client-certificate": "none", "client-key-data": "YQ=="}), "client-certificate: [Errno 2]"),
    ],
)
def test_errors_name_file_and_field(tmp_path: Path, content: Any, said: str) -> None:
    assert said in refusal(tmp_path, content)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="no such file"):
        load_kubeconfig(tmp_path / "none")
    with pytest.raises(KubeconfigError, match="directory"):
        load_kubeconfig(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KubeconfigError, match="binary: "):
        load_kubeconfig(tmp_path / "binary")
