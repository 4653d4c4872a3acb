"""The example of docs/client.md does what it says, against a real API server."""

import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from api.core import Container, Pod, PodSpec
from api.meta import ObjectMeta
from client import Client
from master.apiserver.config import Config
from master.apiserver.main import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serves(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def test_the_example_tells_of_a_pod_that_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    example: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), example)
    port, stop = free_port(), threading.Event()
    config = Config(bind_address="127.0.0.1", secure_port=port, config_dir=tmp_path / "etc", data_dir=tmp_path / "data")
    kubeconfig = tmp_path / "etc" / "admin.kubeconfig"
    threads = [threading.Thread(target=run, args=(config, stop), name="docs-apiserver")]
    threads[0].start()
    try:
        deadline, told = time.monotonic() + LIMIT_S, ""
        while not (kubeconfig.exists() and serves(port)):
            assert time.monotonic() < deadline, "the API server does not serve"
            time.sleep(0.05)
        client = Client.from_kubeconfig(kubeconfig)
        spec = PodSpec(containers=[Container(name="c", image="none")])
        client.create(Pod(metadata=ObjectMeta(name="lone", namespace="default"), spec=spec))
        client.close()
        threads.append(threading.Thread(target=example["run"], args=(kubeconfig, stop), name="docs-example"))
        threads[1].start()
        while "not ready: default/lone Pending" not in told:
            assert time.monotonic() < deadline, f"the example told only {told!r}"
            time.sleep(0.05)
            told += capsys.readouterr().out
    finally:
        stop.set()
        for thread in reversed(threads):
            thread.join(LIMIT_S)
    assert not any(thread.is_alive() for thread in threads)
