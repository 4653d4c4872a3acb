"""docs/api.md shows how a kind is added. Its pieces are put into a copy of the sources, and its commands are run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "api.md"
PIECE = re.compile(r"<!-- (file|patch): (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"<!-- console -->\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_S = 30.0


def patched(text: str, diff: str, *, name: str) -> str:
    """The text with the added lines below the lines that are shown before them."""
    lines, at = text.splitlines(), None
    for line in diff.splitlines():
        if line.startswith("+"):
            assert at is not None, f"docs/api.md: {name}: an added line has no line before it"
            at += 1
            lines.insert(at, line[1:])
        else:
            assert lines.count(line[1:]) == 1, f"docs/api.md is stale: {name} has no single line {line[1:]!r}"
            at = lines.index(line[1:])
    return "\n".join(lines) + "\n"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The sources with the page's pieces in them."""
    copy = tmp_path / "sources"
    for package in ("api", "client", "master", "cli"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    pieces = PIECE.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _, _ in pieces} == {"file", "patch"}
    for kind, name, content in pieces:
        path = copy / name
        if kind == "file":
            assert not path.exists(), f"docs/api.md: {name} is there already: the example needs another kind"
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text(patched(path.read_text(encoding="utf-8"), content, name=name), encoding="utf-8")
    return copy


@pytest.fixture
def kubeconfig(sources: Path, tmp_path: Path) -> Iterator[Path]:
    """An API server of those sources; the admin's way to it."""
    config_dir, log = tmp_path / "etc", tmp_path / "apiserver.log"
    flags = [
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        f"--config-dir={config_dir}",
        f"--data-dir={tmp_path / 'data'}",
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "cli.steersman", "apiserver", *flags],
            cwd=sources,
            env=os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        path = config_dir / "admin.kubeconfig"
        text = ""
        deadline = time.monotonic() + LIMIT_S
        while not (found := re.search(r": serving port=(\d+)", text)):
            assert server.poll() is None, f"the API server ended:\n{text}"
            assert time.monotonic() < deadline, f"the API server does not serve:\n{text}"
            time.sleep(0.05)
            text = log.read_text(encoding="utf-8")
        said = path.read_text(encoding="utf-8")
        path.write_text(said.replace("https://127.0.0.1:0", f"https://127.0.0.1:{found[1]}"), encoding="utf-8")
        yield path
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def test_the_pieces_make_a_kind_that_kubectl_knows(sources: Path, kubeconfig: Path, kubectl: str) -> None:
    shown = CONSOLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(shown) == 1
    given = []
    for line in shown[0].splitlines():
        if line.startswith("$ kubectl "):
            given.append(line)
            words = shlex.split(line.removeprefix("$ kubectl "))
            done = subprocess.run(
                [kubectl, *words],
                cwd=sources,
                env=os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            given += re.sub(r"\b\d+s\b", "0s", done.stdout).rstrip().splitlines()
    assert [line.rstrip() for line in given] == shown[0].splitlines()
