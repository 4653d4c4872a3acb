"""`steer config` and `kubectl config`, called with the same words: the same output, exit code and file in the end."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.steer.main import main

KUBECTL = Path(sys.executable).with_name("kubectl")
CALLS = """
set-cluster c1 --server=https://1.2.3.4:6443 --insecure-skip-tls-verify=true
set-cluster c2 --server=https://x --certificate-authority=ca.pem --embed-certs=true
set-cluster c3 --server=https://y --certificate-authority=/somewhere/ca.pem --tls-server-name=z
set-cluster c4 --certificate-authority=nosuch --embed-certs=true
set-credentials u1 --token=abc
set-credentials u1 --username=a --password=b
set-credentials u1 --token=again
set-credentials u2 --client-certificate=ca.pem --client-key=ca.pem --embed-certs=true
set-credentials u3 --client-certificate=/somewhere/ca.pem --client-key=/somewhere/key.pem
set-credentials u4 --token=a --username=b
set-context --current --namespace=q
set-context
set-context x --cluster=c1 --user=u1 --namespace=n
set-context x --namespace=m
set-context other --cluster=c2
use-context x
set-context --current --namespace=q
get-clusters
get-users
get-contexts
get-contexts x
get-contexts nosuch
get-contexts -o name
rename-context x y
rename-context x y
rename-context y other
current-context
set clusters.c1.server https://9.9.9.9
set contexts.y.namespace zz
set clusters.c2.certificate-authority-data YWJj
set users.u2.client-key-data abc --set-raw-bytes=true
set current-context other
unset contexts.y.namespace
unset current-context
unset users.nosuch
view
view --minify
delete-context y
delete-context y
delete-cluster c1
delete-cluster c1
delete-user u1
delete-user u1
delete-user
unset clusters.c3
view
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ca.pem").write_text("a certificate\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_same_words_leave_the_same_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, ours = folder / "theirs/config", folder / "ours/config"
    differing = []
    for line in CALLS.strip().splitlines():
        words = ["config", *shlex.split(line)]
        done = subprocess.run(
            [KUBECTL, *words], env={**os.environ, "KUBECONFIG": str(theirs)}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        expected = (done.stdout + done.stderr).replace("theirs", "ours").replace("kubectl", "steer"), done.returncode
        monkeypatch.setenv("KUBECONFIG", str(ours))
        code = main(words)
        found = "".join(capsys.readouterr()), code
        if line.startswith("get-"):
            # kubectl has no order for them.
            found, expected = ((sorted(out.splitlines()), code) for out, code in (found, expected))
        if found != expected:
            differing.append(f"== {line}\n{expected}\n{found}")
        if theirs.exists() and _plain(theirs) != _plain(ours):
            differing.append(f"== {line}\n{_plain(theirs)}\n{_plain(ours)}")
            break
    assert not differing, "\n".join(differing)
    assert ours.stat().st_mode & 0o777 == 0o600


def _plain(path: Path) -> Any:
    """Without what is empty, which is the same as not there; in the order of names."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in sorted(value, key=lambda one: str(one["name"]))]
        return {key: plain(one) for key, one in value.items() if one} if isinstance(value, dict) else value

    return plain(yaml.safe_load(path.read_text()))
