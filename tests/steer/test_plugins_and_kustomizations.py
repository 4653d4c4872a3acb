"""Programs on the PATH: plugins run and listed as kubectl does it, and kustomize for ``-k``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.steer.main import main

KUBECTL = str(Path(sys.executable).parent / "kubectl")


def program(file: Path, mode: int = 0o755) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'#!/bin/sh\necho {file.name.partition("-")[2]} "$@"\nexit 3\n')
    file.chmod(mode)


def both(path: str, *words: str) -> list[tuple[str, str, int]]:
    answers = []
    for command in ([KUBECTL], [sys.executable, "-m", "cli.steer.main"]):
        done = subprocess.run(
            [*command, *words], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        answers.append((done.stdout.replace("kubectl", "steer"), done.stderr.replace("kubectl", "steer"),
                        done.returncode))  # fmt: skip
    return answers


@pytest.mark.parametrize(
    "line",
    ["foo a -b", "foo two-three -x", "foo --x two-three", "foo two four", "plugin list", "plugin list --name-only"],
)
def test_plugins_are_as_kubectls(tmp_path: Path, line: str) -> None:
    for name in ("kubectl", "steer"):
        program(tmp_path / f"{name}-foo")
        program(tmp_path / f"{name}-foo-two_three")
    theirs, ours = both(f"{tmp_path}:/bin", *line.split())
    if line.startswith("plugin"):
        # Either lists its own alone.
        assert ours[0].split() == theirs[0].split()
    assert ours == theirs


def test_what_is_wrong_with_plugins_is_told(tmp_path: Path) -> None:
    for name in ("kubectl", "steer"):
        program(tmp_path / "a" / f"{name}-bar", 0o644)
        program(tmp_path / "a" / f"{name}-get")
        program(tmp_path / "a" / f"{name}-foo")
        program(tmp_path / "b" / f"{name}-foo")
    theirs, ours = both(f"{tmp_path}/a:{tmp_path}/b:/bin", "plugin", "list")
    assert ours == theirs
    assert ours[2] == 1
    theirs, ours = both("/bin", "plugin", "list")
    assert ours == theirs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kustomization.yaml").write_text("resources: [map.yaml]\nnamePrefix: p-\n")
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n")
    return tmp_path


def test_a_kustomization_is_built(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True)
    assert main(["kustomize", str(folder)]) == 0
    assert capsys.readouterr().out == done.stdout
    assert main(["kustomize", str(folder / "nosuch")]) == 1
    assert "not a valid directory" in capsys.readouterr().err


def test_without_kustomize_it_is_said_what_to_do(
    kubeconfig: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["apply", "-k", str(folder), "--kubeconfig", kubeconfig]) == 1
    assert f"kustomize build {folder} | steer apply -f -" in capsys.readouterr().err
    assert main(["apply", "-k", str(folder), "-f", "x", "--kubeconfig", kubeconfig]) == 1
    assert capsys.readouterr().err == "error: only one of -f or -k can be specified\n"


def test_the_flags_of_all_verbs_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options"]) == 0
    told = capsys.readouterr().out
    for flag in ("--kubeconfig", "-n, --namespace", "-s, --server", "--as-group", "--request-timeout"):
        assert f"    {flag}:\n" in told
