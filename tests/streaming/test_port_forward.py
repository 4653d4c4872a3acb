"""kubectl port-forward against a cluster."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Object
from tests.streaming.conftest import PAGE
from tests.streaming.kubectls import PROGRAMS, Program

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@contextmanager
def forwarded(program: Program, cluster: Cluster, *ports: int) -> Iterator[list[str]]:
    """Addresses of the forwarded ports, in their order."""
    process = subprocess.Popen(
        [str(program.path), "port-forward", "--address=127.0.0.1", "pod/web", *(f":{port}" for port in ports)],
        env=program.environ(cluster.kubeconfig, Path("/tmp")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = []
        for _ in ports:
            line = process.stdout.readline()
            match = re.search(r"from (127\.0\.0\.1:\d+)", line)
            assert match, line
            found.append(f"http://{match[1]}/")
        yield found
        assert process.poll() is None, process.stdout.read()
    finally:
        process.kill()
        process.communicate(timeout=10)


def page(address: str) -> str:
    return requests.get(address, timeout=10, headers={"Connection": "close"}).text.strip()


@each_program
def test_two_ports_at_once_and_one_that_listens_on_loopback(cluster: Cluster, web: Object, program: Program) -> None:
    with forwarded(program, cluster, 8080, 8081) as (loopback, other):
        assert [page(loopback), page(other), page(loopback)] == [PAGE, "other", PAGE]


@each_program
def test_of_ten_at_once_one_that_fails_leaves_nine(cluster: Cluster, web: Object, program: Program) -> None:
    with forwarded(program, cluster, 8080, 9) as (good, refused), ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(page, good) for _ in range(9)]
        with pytest.raises(requests.ConnectionError):
            page(refused)
        assert [answer.result(20) for answer in answers] == [PAGE] * 9
        assert page(good) == PAGE
