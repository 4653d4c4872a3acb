"""Kubernetes' client library works with our API server as with Kubernetes' own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clusters import clean_environment
from tests.e2e.doors import Api, Kubectl, Stream
from tests.peers.conftest import LIMIT_S, answering
from tests.peers.mixed import Mixed

pytestmark = [pytest.mark.peer, pytest.mark.timeout(400)]
CONTENT_TYPES = ("json", "protobuf")


class Running(Stream):
    """The program, until it is told to end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process)
        self.process = process

    def end(self) -> str:
        """Close its input; all that it said."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(LIMIT_S) == 0, self.text()
        return self.text()


@pytest.fixture
def running(our_master: Mixed) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str, content_type: str = "protobuf") -> Running:
        process = subprocess.Popen(
            our_master.client_go(*arguments, content_type=content_type),
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        started.append(Running(process))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(LIMIT_S)


def once(mixed: Mixed, *arguments: str, content_type: str) -> str:
    """Run the program to its good end; what it said."""
    done = subprocess.run(
        mixed.client_go(*arguments, content_type=content_type),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_typed_calls_do_what_they_do_with_kubernetes(
    our_master: Mixed, our_kubectl: Kubectl, content_type: str
) -> None:
    our_kubectl("create", "namespace", f"objects-{content_type}")
    said = once(our_master, f"objects-{content_type}", "objects", content_type=content_type)
    assert said.splitlines()[-1] == "done"


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_bookmark_tells_how_far_a_watch_has_come(our_master: Mixed, our_kubectl: Kubectl, content_type: str) -> None:
    our_kubectl("create", "namespace", f"bookmark-{content_type}")
    assert "marked" in once(our_master, f"bookmark-{content_type}", "bookmark", content_type=content_type)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_informer_follows_through_a_restart_of_the_server(
    our_master: Mixed,
    our_kubectl: Kubectl,
    running: Callable[..., Running],
    tmp_path: Path,
    content_type: str,
) -> None:
    space = f"informer-{content_type}"

    def make(name: str) -> None:
        our_kubectl("create", "configmap", name, f"--namespace={space}", "--from-literal=key=1")
        our_kubectl("label", "configmap", name, f"--namespace={space}", "of=client-go")

    our_kubectl("create", "namespace", space)
    make("before")
    informer = running(space, "informer", content_type=content_type)
    informer.until("synced", limit_s=LIMIT_S)
    make("one")
    informer.until("added one", limit_s=LIMIT_S)
    our_kubectl("patch", "configmap", "one", f"--namespace={space}", "--type=merge", "--patch", '{"data":{"key":"2"}}')
    informer.until("updated one 2", limit_s=LIMIT_S)

    our_master.stop("apiserver")
    our_master.ours("apiserver")
    answering(our_master, tmp_path).close()
    our_kubectl("delete", "configmap", "one", f"--namespace={space}")
    make("after")
    informer.until("deleted one", limit_s=LIMIT_S)
    informer.until("added after", limit_s=LIMIT_S)
    lines = informer.end().splitlines()
    assert [lines.count(f"added {name}") for name in ("before", "one", "after")] == [1, 1, 1], lines


def test_a_second_leader_follows_one_that_steps_down(
    our_kubectl: Kubectl, our_api: Api, running: Callable[..., Running]
) -> None:
    our_kubectl("create", "namespace", "leaders")
    first = running("leaders", "leader", "a")
    first.until("leading", limit_s=LIMIT_S)
    second = running("leaders", "leader", "b")
    second.until("leader a", limit_s=LIMIT_S)
    assert "leading" not in second.text()
    assert "stopped" in first.end()
    second.until("leading", limit_s=LIMIT_S)
    lease = our_api.get("/apis/coordination.k8s.io/v1/namespaces/leaders/leases/the-lock")
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("b", 1)
