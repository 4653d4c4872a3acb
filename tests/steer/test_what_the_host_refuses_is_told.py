"""A full disk, a file that is no text, a port that is taken: a line each, and no traceback."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from cli.steer.failures import Failure
from cli.steer.main import main
from cli.steer.manifests import manifests
from cli.steer.session import Session


def test_output_that_cannot_be_written() -> None:
    command: Any = (sys.executable, "-m", "cli.steer.main", "completion", "bash")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_a_folder_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "web.json").write_bytes(b"\xff\xfe")
    with pytest.raises(Failure, match=f"error reading {tmp_path}/web.json: 'utf-8' codec"):
        list(manifests(cast(Session, None), [str(tmp_path)]))


def test_the_port_of_a_proxy_that_another_has(kubeconfig: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--kubeconfig", kubeconfig, "proxy", f"--port={port}"]) == 1
    assert capsys.readouterr().err == f"error: listen tcp 127.0.0.1:{port}: address already in use\n"
