"""The JavaScript client, @kubernetes/client-node, with a pod: the streams that it opens by WebSocket, and its logs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clusters import Cluster, clean_environment
from tests.e2e.doors import Object
from tests.streaming.conftest import PAGE
from tests.streaming.kubectls import CLIENTS

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
SCRIPT = Path(__file__).with_name("javascript.mjs")
MODULE = CLIENTS / "javascript/node_modules/@kubernetes/client-node/dist/index.js"
LIMIT_S = 90
SIZE = 5_000_000


class Javascript:
    """Runs a step of the script and tells what came of it."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    def __call__(self, step: str, *arguments: object) -> Any:
        command = [self._node, str(SCRIPT), str(MODULE), str(self._cluster.kubeconfig), step, *map(str, arguments)]
        told = subprocess.run(
            command,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr.decode()
        return json.loads(told.stdout)


@pytest.fixture(scope="module")
def javascript(request: pytest.FixtureRequest) -> Javascript:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this host")
    if not MODULE.exists():
        pytest.skip("@kubernetes/client-node is not there: scripts/test-clients fetches it by npm")
    return Javascript(request.getfixturevalue("cluster"), node)


def test_it_lists_and_watches(javascript: Javascript, web: Object) -> None:
    assert "web" in javascript("list")
    assert javascript("watch", "web") == ["ADDED", "Pod"]


def test_a_commands_output_and_its_end_arrive(javascript: Javascript, web: Object) -> None:
    told = javascript("run", "web", "main", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (told["out"], told["err"]) == ("out\n", "err\n")
    assert told["status"]["reason"] == "NonZeroExitCode"
    assert told["status"]["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_the_end_of_its_input_arrives(javascript: Javascript, web: Object, tmp_path: Path) -> None:
    data = _random(tmp_path / "data")
    told = javascript("feed", "web", "main", tmp_path / "data", "md5sum")
    assert told["out"].split()[0] == hashlib.md5(data).hexdigest()
    assert told["status"]["status"] == "Success"


def test_it_attaches(javascript: Javascript, web: Object) -> None:
    assert "got hello\n" in javascript("attach", "web", "echo", "hello")


def test_it_forwards_ports_and_hears_of_one_that_nobody_serves(javascript: Javascript, web: Object) -> None:
    assert javascript("forward", "web", 8080)["out"].endswith(f"{PAGE}\n")


def test_it_follows_a_log(javascript: Javascript, web: Object) -> None:
    javascript("attach", "web", "echo", "logged")
    assert "got logged\n" in javascript("follow", "web", "echo", 1)


def test_files_are_copied_both_ways(javascript: Javascript, web: Object, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    data = _random(tmp_path / "there/copied")
    assert javascript("copy-to", "web", "main", tmp_path / "there", "/tmp")["status"] == "Success"
    told = javascript("run", "web", "main", "md5sum", "/tmp/copied")
    assert told["out"].split()[0] == hashlib.md5(data).hexdigest()
    assert javascript("fetch", "web", "main", "/tmp/copied", tmp_path / "back")["status"] == "Success"
    assert hashlib.md5((tmp_path / "back").read_bytes()).digest() == hashlib.md5(data).digest()


def _random(path: Path) -> bytes:
    data = os.urandom(SIZE)
    path.write_bytes(data)
    return data
