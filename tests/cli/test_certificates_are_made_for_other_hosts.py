"""`steersman certificates`: what a master, a node, etcd and a user get; what is renewed; what is refused."""

import io
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from client.kubeconfig import load_kubeconfig
from master.kubeconfig import parse
from tests.cli.conftest import ROOT, clean_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NODE = {"pki/ca.crt", "pki/agent.crt", "pki/agent.key"} | {f"{n}.kubeconfig" for n in ("agent", "netproxy", "dns")}


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file() and not one.name.startswith(".")}


def common_name(pem: bytes) -> str:
    name = x509.load_pem_x509_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert isinstance(name, str)
    return name


@pytest.fixture
def master(tmp_path: Path, steersman: Run) -> Path:
    """The config directory of a master that has its certificates."""
    folder = tmp_path / "etc"
    done = steersman("certificates", "master", "--config-dir", folder, "--address", "api.example.test")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def node(master: Path, tmp_path: Path, steersman: Run) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Issue a node's certificates to `out`."""

    def run(*more: object, name: str = "n2") -> "subprocess.CompletedProcess[str]":
        place = ("--config-dir", master, "--out", tmp_path / "out", "--server", "https://192.0.2.1:6443")
        return steersman("certificates", "node", name, *place, "--address", "192.0.2.2", *more)

    return run


def test_a_master_gets_a_ca_and_what_its_parts_need_but_nothing_of_a_node(master: Path) -> None:
    made = files(master)
    assert {"pki/ca.key", "pki/sa.key", "pki/apiserver.crt", "admin.kubeconfig", "scheduler.kubeconfig"} <= made
    assert not any("agent" in one or "netproxy" in one for one in made)
    certificate = x509.load_pem_x509_certificate((master / "pki/apiserver.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "api.example.test" in names.get_values_for_type(x509.DNSName)


def test_a_second_call_on_the_master_changes_nothing(master: Path, steersman: Run) -> None:
    before = {one: (master / one).read_bytes() for one in files(master)}
    done = steersman("certificates", "master", "--config-dir", master, "--address", "api.example.test")
    assert "nothing to do" in done.stdout
    assert {one: (master / one).read_bytes() for one in files(master)} == before


def test_a_node_gets_its_identity_and_no_key_of_the_master(node: Run, tmp_path: Path) -> None:
    assert node().returncode == 0
    out = tmp_path / "out"
    assert files(out) == NODE
    agent = parse((out / "agent.kubeconfig").read_bytes())
    assert common_name(agent.certificate) == "system:node:n2"
    assert agent.server == "https://192.0.2.1:6443"
    assert agent.cluster == "steersman"
    secret = [*out.glob("*.kubeconfig"), out / "pki/agent.key"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in secret} == {0o600}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def servers(file: Path) -> tuple[str, ...]:
    return load_kubeconfig(file).servers


def test_the_other_masters_are_still_known_after_a_renewal(tmp_path: Path, steersman: Run) -> None:
    etc, out = tmp_path / "etc", tmp_path / "out"
    others = ("https://192.0.2.11:6443", "https://192.0.2.12:6443")
    etc.mkdir()
    (etc / "cluster.yaml").write_text(f"api-servers: [{', '.join(others)}]\nadvertise-address: 192.0.2.10\n")
    for _ in range(2):
        for made in ("admin", "scheduler", "controller-manager"):
            (etc / f"{made}.kubeconfig").unlink(missing_ok=True)
        assert steersman("certificates", "master", "--config-dir", etc).returncode == 0
        for made in ("admin", "scheduler", "controller-manager"):
            assert servers(etc / f"{made}.kubeconfig") == ("https://127.0.0.1:6443", *others)
    node = ("certificates", "node", "n2", "--config-dir", etc, "--out", out)
    for _ in range(2):
        assert steersman(*node).returncode == 0
        for made in ("agent", "netproxy", "dns"):
            assert servers(out / f"{made}.kubeconfig") == ("https://192.0.2.10:6443", *others)
        (out / "agent.kubeconfig").unlink()
    assert "nothing to do" not in steersman(*node, "--server", others[1], "--server", others[0]).stdout
    assert servers(out / "agent.kubeconfig") == (others[1], others[0])


def test_issuing_again_renews_only_what_does_not_fit_any_more(node: Run) -> None:
    node()
    assert node().stdout.endswith("nothing to do\n")
    again = node("--address", "192.0.2.3").stdout
    assert "made agent: names changed" in again
    assert "kubeconfig" not in again


def test_the_archive_for_a_pipe_holds_the_files_with_their_modes(master: Path) -> None:
    command = [sys.executable, "-m", "cli.steersman", "certificates", "node", "n3", "--out", "-"]
    done = subprocess.run(
        [*command, "--config-dir", master],
        env=clean_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        modes = {one.name: one.mode for one in tar.getmembers() if one.isfile()}
    assert modes.keys() == NODE
    assert {modes[name] for name in NODE if name.endswith((".key", ".kubeconfig"))} == {0o600}


def test_etcd_has_a_ca_of_its_own(master: Path, tmp_path: Path, steersman: Run) -> None:
    out = tmp_path / "member"
    done = steersman("certificates", "etcd", "e1", "--config-dir", master, "--out", out)
    assert done.returncode == 0, done.stderr
    assert files(out) == {"pki/ca.crt"} | {
        f"pki/{name}.{end}" for name in ("etcd", "apiserver-etcd-client") for end in ("crt", "key")
    }
    assert (out / "pki/ca.crt").read_bytes() == (master / "etcd/pki/ca.crt").read_bytes()
    assert (out / "pki/ca.crt").read_bytes() != (master / "pki/ca.crt").read_bytes()


def test_a_user_gets_a_kubeconfig_or_files(master: Path, tmp_path: Path, steersman: Run) -> None:
    client = ("certificates", "client", "watcher", "--config-dir", master, "--group", "system:monitoring")
    assert steersman(*client, "--out", tmp_path / "one").returncode == 0
    assert files(tmp_path / "one") == {"pki/ca.crt", "watcher.kubeconfig"}
    assert steersman(*client, "--out", tmp_path / "two", "--files").returncode == 0
    assert files(tmp_path / "two") == {"pki/ca.crt", "pki/watcher.crt", "pki/watcher.key"}


@pytest.mark.parametrize("name", ["../n2", "N2", "a/b", "x" * 60, "a..b"])
def test_a_name_that_is_none_is_refused_and_leaves_nothing(name: str, node: Run, tmp_path: Path) -> None:
    done = node(name=name)
    assert done.returncode == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "n2").exists()


def test_a_user_cannot_have_the_name_of_a_part(master: Path, tmp_path: Path, steersman: Run) -> None:
    done = steersman("certificates", "client", "agent", "--config-dir", master, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "a name of the cluster's own" in done.stderr


def test_without_a_ca_it_says_where_to_go(tmp_path: Path, steersman: Run) -> None:
    done = steersman("certificates", "node", "n2", "--config-dir", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "the CA is on the master" in done.stderr
