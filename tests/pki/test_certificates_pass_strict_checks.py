"""The certificates stand up to openssl, to Python's strictest TLS and to what Go asks for."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from master.certificates import Subject
from master.kubeconfig import parse
from master.pki import Pki


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.parametrize(
    ("name", "purpose"),
    [("apiserver", "sslserver"), ("agent", "sslserver"), ("apiserver-kubelet-client", "sslclient")],
)
def test_openssl_verifies_with_its_strict_rules(made: Pki, name: str, purpose: str) -> None:
    ca, leaf = str(made.ca_certificate), str(made.certificate(name))
    assert "OK" in run("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, leaf)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc.cluster.local", "10.96.0.1"])
def test_the_apiserver_answers_to_all_its_names(made: Pki, name: str) -> None:
    option = "-verify_ip" if name[0] in "1:" else "-verify_hostname"
    ca, leaf = str(made.ca_certificate), str(made.certificate("apiserver"))
    assert "OK" in run("openssl", "verify", option, name, "-CAfile", ca, leaf)


@pytest.fixture
def admin_files(made: Pki, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    config = parse(made.kubeconfig("admin").read_bytes())
    certificate, key = tmp_path / "admin.crt", tmp_path / "admin.key"
    certificate.write_bytes(config.certificate)
    key.write_bytes(config.key)
    return certificate, key


def test_a_handshake_with_strict_verification_on_both_sides(made: Pki, admin_files: tuple[Path, Path]) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate("apiserver"), made.key("apiserver"))
    client = ssl.create_default_context(cafile=made.ca_certificate)
    client.load_cert_chain(*admin_files)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(made.ca_certificate)
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake_hands(server, client)["subject"] == (
        (("organizationName", "system:masters"),),
        (("commonName", "kubernetes-admin"),),
    )


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    """Both ends in memory; returns the client's certificate as the server sees it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [here, there, here, there]
    for end in waiting:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate = there.getpeercert()
    assert certificate
    return dict(certificate)


def test_python_3_13_takes_them_by_default(made: Pki) -> None:
    python = shutil.which("python3.13")
    probe = [python, "-c", "import ssl"] if python else []
    if not probe or subprocess.run(probe, check=False, capture_output=True, timeout=30).returncode:
        pytest.skip("no python3.13 here")
    program = (
        "import ssl, sys\n"
        "assert ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT\n"
        "s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain(sys.argv[2], sys.argv[3])\n"
        "c = ssl.create_default_context(cafile=sys.argv[1]); a, b = ssl.MemoryBIO(), ssl.MemoryBIO()\n"
        "x = c.wrap_bio(a, b, server_hostname='::1'); y = s.wrap_bio(b, a, server_side=True)\n"
        "for e in (x, y, x, y):\n"
        "    try: e.do_handshake()\n"
        "    except ssl.SSLWantReadError: pass\n"
        "print(x.version())\n"
    )
    files = (made.ca_certificate, made.certificate("apiserver"), made.key("apiserver"))
    assert "TLSv1.3" in run(str(python), "-c", program, *map(str, files))


def test_only_the_ca_may_sign_and_every_use_is_named(made: Pki) -> None:
    for path in (made.directory / "pki").glob("*.crt"):
        extensions = x509.load_pem_x509_certificate(path.read_bytes()).extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert usage.critical
        assert constraints.value.ca == usage.value.key_cert_sign == (path.stem == "ca")
        assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_the_public_signing_key_belongs_to_the_private_one(made: Pki) -> None:
    key = serialization.load_pem_private_key(made.service_account_key.read_bytes(), None)
    public = serialization.load_pem_public_key(made.service_account_public_key.read_bytes())
    assert key.public_key() == public


def test_kubectl_reads_the_kubeconfig(made: Pki) -> None:
    kubectl = shutil.which("kubectl") or str(Path(sys.executable).with_name("kubectl"))
    out = run(kubectl, "--kubeconfig", str(made.kubeconfig("admin")), "config", "view", "--minify")
    assert "server: https://127.0.0.1:6443" in out
    assert "current-context: kubernetes-admin@steersman" in out


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"common_name": "", "client": True}, "common_name"),
        ({"common_name": "x" * 65, "client": True}, "common_name"),
        ({"common_name": "x", "server": True}, "names"),
        ({"common_name": "x"}, "client, server"),
    ],
)
def test_a_subject_that_cannot_serve_is_refused(values: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Subject(**values)  # type: ignore[arg-type]
