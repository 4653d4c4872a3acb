"""kubectl exec, attach and cp against a cluster."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from agent.runtime.cache import ContainerCache
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from agent.server.streaming.process import AttachedProcess, Streams
from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api, Kubectl, Object
from tests.e2e.pods import pod, shell
from tests.e2e.waiting import until
from tests.streaming.kubectls import NEWEST, PROGRAMS, Program

pytestmark = [pytest.mark.docker, pytest.mark.cluster]
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@each_program
def test_output_errors_and_exit_code_arrive_apart(cluster: Cluster, web: Object, program: Program) -> None:
    told = program.run(cluster.kubeconfig, "exec", "web", "-c", "main", "--", "sh", "-c", "echo a; echo b >&2; exit 7")
    assert told.stdout == b"a\n"
    assert told.stderr.splitlines() == [b"b", b"command terminated with exit code 7"]
    assert told.returncode == 7


@each_program
def test_piped_input_is_whole_and_its_end_arrives(cluster: Cluster, web: Object, program: Program) -> None:
    data = os.urandom(10_000_000)
    told = program.run(cluster.kubeconfig, "exec", "-i", "web", "-c", "main", "--", "md5sum", stdin=data)
    assert told.stdout.split()[0].decode() == hashlib.md5(data).hexdigest()


@each_program
def test_a_command_that_reads_only_some_input_still_answers(cluster: Cluster, web: Object, program: Program) -> None:
    command = ["exec", "-i", "web", "-c", "main", "--", "head", "-c", "3"]
    told = program.run(cluster.kubeconfig, *command, stdin=b"abc" * 1_000_000)
    assert (told.stdout, told.returncode) == (b"abc", 0), told.stderr


@each_program
@pytest.mark.parametrize("mib", [50, pytest.param(200, marks=pytest.mark.long)])
def test_a_copy_is_whole_both_ways(cluster: Cluster, web: Object, program: Program, mib: int, tmp_path: Path) -> None:
    data = os.urandom(mib * 2**20)
    (tmp_path / "there").write_bytes(data)
    copies = [(f"{tmp_path}/there", "web:/tmp/copy"), ("web:/tmp/copy", f"{tmp_path}/back")]
    for source, target in copies:
        told = program.run(cluster.kubeconfig, "cp", "-c", "main", source, target, limit_s=120)
        assert told.returncode == 0, told.stderr
    there = program.run(cluster.kubeconfig, "exec", "web", "-c", "main", "--", "md5sum", "/tmp/copy").stdout
    assert there.split()[0].decode() == hashlib.md5(data).hexdigest()
    assert hashlib.md5((tmp_path / "back").read_bytes()).digest() == hashlib.md5(data).digest()


@each_program
def test_a_terminal_has_the_clients_size_and_follows_it(cluster: Cluster, web: Object, program: Program) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [str(program.path), "exec", "-it", "web", "-c", "main", "--", "sh"]
        os.execve(arguments[0], arguments, program.environ(cluster.kubeconfig, Path("/tmp")))
    try:
        _set_size(terminal, rows=31, columns=97)
        os.write(terminal, b"echo is-$((40+2))\n")
        _read_until(terminal, b"is-42")
        _ask_until(terminal, b"stty size\n", b"31 97")
        _set_size(terminal, rows=12, columns=50)
        _ask_until(terminal, b"stty size\n", b"12 50")
        os.write(terminal, b"exit 5\n")
        _, status = os.waitpid(pid, 0)
        pid = 0
        assert os.waitstatus_to_exitcode(status) == (
            5 if "1.20" not in program.name else os.waitstatus_to_exitcode(status)
        )
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def _set_size(terminal: int, *, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _ask_until(terminal: int, question: bytes, answer: bytes) -> None:
    def asked() -> bool:
        os.write(terminal, question)
        return _read_until(terminal, answer, limit_s=0.5, must=False)

    until(asked, limit_s=10, what=f"{answer!r}")


def _read_until(terminal: int, wanted: bytes, *, limit_s: float = 10, must: bool = True) -> bool:
    seen = b""
    deadline = time.monotonic() + limit_s
    while wanted not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
    assert wanted in seen or not must, seen
    return wanted in seen


@pytest.mark.parametrize("flags", [("-i",), ("-it",)], ids=["piped", "terminal"])
def test_a_client_that_is_killed_ends_its_command(cluster: Cluster, web: Object, flags: tuple[str, ...]) -> None:
    seconds = "7531" if flags == ("-i",) else "7532"
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [str(NEWEST), "exec", *flags, "web", "-c", "main", "--", "sleep", seconds]
        os.execve(arguments[0], arguments, Program("").environ(cluster.kubeconfig, Path("/tmp")))

    def runs() -> bool:
        return f"sleep {seconds}" in cluster.docker("top", cluster.container(web, "main"))

    try:
        until(runs, limit_s=10, what="the command")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    until(lambda: not runs(), limit_s=10, what="the command to end")


@contextmanager
def attached(cluster: Cluster, program: Program, *words: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """What goes to the container's own process, and what comes from it."""
    with subprocess.Popen(
        [str(program.path), "attach", "-i", *words],
        env=program.environ(cluster.kubeconfig, Path("/tmp")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdin, process.stdout
        finally:
            process.kill()


@each_program
def test_attach_reaches_the_containers_own_process(cluster: Cluster, web: Object, program: Program) -> None:
    with attached(cluster, program, "web", "-c", "echo") as (typed, told):
        typed.write(b"one\n")
        typed.flush()
        assert told.readline() == b"got one\n"


@each_program
def test_output_goes_on_when_the_clients_input_has_ended(
    cluster: Cluster, kubectl: Kubectl, api: Api, program: Program
) -> None:
    """The container's own input stays open: it is not one that ends with its first client."""
    name = f"slow-{PROGRAMS.index(program)}"
    wanted = pod(name, *shell("read line; sleep 1; echo got $line; sleep 3600"))
    wanted["spec"]["containers"][0]["stdin"] = True
    kubectl.create(wanted)
    until(lambda: api.pod(name)["status"]["phase"] == "Running", limit_s=60, what="the pod to run")
    try:
        with attached(cluster, program, name) as (typed, told):
            typed.write(b"one\n")
            typed.close()
            assert told.readline() == b"got one\n"
    finally:
        kubectl("delete", "pod", name, "--now")


@each_program
def test_run_tells_what_a_container_says_that_ends_at_once(cluster: Cluster, program: Program) -> None:
    image = pod("x")["spec"]["containers"][0]["image"]
    for n in range(3):
        name = f"brief-{PROGRAMS.index(program)}-{n}"
        command = ["run", name, f"--image={image}", "--image-pull-policy=IfNotPresent", "-i", "--rm", "--restart=Never"]
        told = program.run(cluster.kubeconfig, *command, "--", "echo", "here I am", limit_s=60)
        assert b"here I am\n" in told.stdout, told.stderr
        assert told.returncode == 0


def test_nobody_is_attached_to_a_container_that_has_ended(cluster: Cluster, kubectl: Kubectl, api: Api) -> None:
    wanted = pod("over", *shell("true"))
    wanted["spec"]["restartPolicy"] = "Never"
    kubectl.create(wanted)
    until(lambda: api.pod("over")["status"]["phase"] == "Succeeded", limit_s=60, what="the pod to end")
    docker = Docker("unix:///var/run/docker.sock", cluster=cluster.slot.name, timeout_s=10)
    streams = Streams(stdin=True, stdout=True, stderr=True, tty=False)
    over = AttachedProcess(
        docker, ContainerCache(docker, lambda _: None), cluster.container(api.pod("over")), streams, once=True
    )
    try:
        with pytest.raises(RuntimeFailure, match="container not running"):
            over.open()
    finally:
        docker.close()
        kubectl("delete", "pod", "over", "--now")


def test_errors_are_those_of_kubernetes(kubectl: Kubectl, web: Object) -> None:
    def said(*arguments: str) -> str:
        told = kubectl.try_it("exec", *arguments, "--", "true")
        assert told.returncode == 1
        return told.stderr.strip().splitlines()[-1]

    assert said("nope") == 'Error from server (NotFound): pods "nope" not found'
    assert said("bad") == 'error: unable to upgrade connection: container not found ("main")'
    assert said("web", "-c", "zzz").startswith("error: container zzz is not valid for pod web")


def test_a_command_that_is_not_there_ends_as_a_shell_would(kubectl: Kubectl, web: Object) -> None:
    told = kubectl.try_it("exec", "web", "-c", "main", "--", "no-such-command")
    assert "no-such-command" in told.stdout + told.stderr
    assert told.returncode == 126
