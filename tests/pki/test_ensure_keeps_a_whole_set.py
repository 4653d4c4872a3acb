"""What ensure makes, leaves alone, and makes again."""

import datetime
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from master.kubeconfig import parse
from master.pki import Pki, PkiError

Make = Callable[..., Pki]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_the_first_start_makes_kubeadms_layout(make_set: Make) -> None:
    files = set(contents(make_set().directory))
    pairs = ("ca", "apiserver", "apiserver-kubelet-client", "agent")
    expected = {f"pki/{name}.{end}" for name in pairs for end in ("crt", "key")} | {"pki/sa.key", "pki/sa.pub"}
    kubeconfigs = ("admin", "controller-manager", "scheduler", "netproxy", "dns", "agent")
    assert files == expected | {f"{name}.kubeconfig" for name in kubeconfigs}


def test_a_kubeconfig_is_read_without_a_parser_of_yaml(make_set: Make) -> None:
    path = make_set().kubeconfig("admin")
    assert yaml.safe_load(path.read_text())["current-context"] == "kubernetes-admin@steersman"
    code = (
        "import sys\nfrom pathlib import Path\nfrom client import load_kubeconfig\n"
        f"print(load_kubeconfig(Path({str(path)!r})).server, 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{parse(path.read_bytes()).server} False\n"


def test_keys_are_readable_by_their_owner_alone(make_set: Make) -> None:
    directory = make_set().directory
    secret = [*directory.glob("pki/*.key"), *directory.glob("*.kubeconfig")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE((directory / "pki").stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_key_opened_to_others_is_closed_again(make_set: Make) -> None:
    key = make_set().key("apiserver")
    key.chmod(0o644)
    make_set()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_second_start_changes_nothing(make_set: Make) -> None:
    before = contents(make_set().directory)
    again = make_set()
    assert again.done == ()
    assert contents(again.directory) == before


def test_a_new_address_renews_the_apiserver_alone(make_set: Make) -> None:
    before = contents(make_set().directory)
    again = make_set("192.0.2.99")
    assert again.done == ("made apiserver: names changed",)
    assert changed(before, contents(again.directory)) == {"pki/apiserver.crt", "pki/apiserver.key"}


def test_a_new_server_url_keeps_the_certificates(make_set: Make) -> None:
    old = parse(make_set().kubeconfig("admin").read_bytes())
    new = parse(make_set(server="https://192.0.2.7:7443").kubeconfig("admin").read_bytes())
    assert new.server == "https://192.0.2.7:7443"
    assert (new.certificate, new.key) == (old.certificate, old.key)


@pytest.mark.parametrize(("days", "renewed"), [(240, False), (250, True), (400, True)])
def test_leaves_are_renewed_in_the_last_third_of_their_life(make_set: Make, days: int, renewed: bool) -> None:
    ca = make_set().ca_certificate.read_bytes()
    later = make_set(now=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days))
    assert len(later.done) == (9 if renewed else 0)
    assert later.ca_certificate.read_bytes() == ca


def test_every_set_cut_short_is_completed_by_the_next_start(make_set: Make) -> None:
    pki = make_set()
    ca = pki.ca_certificate.read_bytes()
    for name in contents(pki.directory):
        if name in ("pki/ca.key", "pki/ca.crt"):
            continue
        (pki.directory / name).unlink()
        make_set()
        assert (pki.directory / name).exists()
        assert make_set().done == ()
    assert pki.ca_certificate.read_bytes() == ca


@pytest.mark.parametrize("name", ["apiserver.crt", "apiserver.key"])
def test_a_spoilt_pair_is_made_again(make_set: Make, name: str) -> None:
    pki = make_set()
    (pki.directory / "pki" / name).write_bytes(b"not PEM")
    assert make_set().done == ("made apiserver: not readable",)


def test_a_key_of_another_certificate_is_noticed(make_set: Make) -> None:
    pki = make_set()
    pki.key("agent").write_bytes(pki.key("apiserver").read_bytes())
    assert make_set().done == ("made agent: key does not match the certificate",)


def test_a_ca_certificate_is_made_again_from_its_key(make_set: Make) -> None:
    pki = make_set()
    leaf = pki.certificate("apiserver").read_bytes()
    pki.ca_certificate.unlink()
    again = make_set()
    assert "made ca" in again.done
    assert again.certificate("apiserver").read_bytes() == leaf, "the old leaf still serves"


def test_a_lost_ca_key_is_an_error_that_names_the_way_out(make_set: Make) -> None:
    make_set().ca_key.unlink()
    with pytest.raises(PkiError, match=r"ca\.key: missing beside ca\.crt: restore it, or remove"):
        make_set()


def test_a_foreign_ca_key_is_an_error(make_set: Make) -> None:
    pki = make_set()
    pki.ca_key.write_bytes(pki.key("apiserver").read_bytes())
    with pytest.raises(PkiError, match=r"does not belong to ca\.key"):
        make_set()


def test_an_expired_ca_is_an_error(make_set: Make) -> None:
    make_set()
    with pytest.raises(PkiError, match="expired"):
        make_set(now=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3700))


def test_leftovers_of_a_killed_writer_are_removed(make_set: Make) -> None:
    directory = make_set().directory
    leftovers = [directory / "pki" / ".ca.key.7.tmp", directory / ".admin.kubeconfig.7.tmp"]
    for path in leftovers:
        path.write_bytes(b"half")
    make_set()
    assert not any(path.exists() for path in leftovers)


def test_two_starts_at_once_make_one_set(make_set: Make) -> None:
    results: list[Pki] = []
    threads = [threading.Thread(target=lambda: results.append(make_set()), name=f"start-{n}") for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(len(result.done) > 0 for result in results) == [False, True]
