"""A whole master with hollow nodes: the API server, the other components and all the nodes, each a process of its own,
as ``steersman`` starts them, over TLS with RBAC and admission and a durable SQLite.
"""

import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.hollow import context_of
from bench.processes import Processes
from bench.served import STEERSMAN, Served, served, with_bytecode
from master import pki

_USERS = {"controllers": "controller-manager", "scheduler": "scheduler"}


@dataclass(frozen=True, slots=True)
class Site:
    """``context`` is an administrator's."""

    server: Served
    processes: Processes
    context: ssl.SSLContext
    nodes: int


@contextmanager
def site(nodes: int, *, bare: bool = False) -> Iterator[Site]:
    """``bare``: no controllers, and nodes for which nobody acts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(served(folder))
        people = pki.standard_identities(node_name="unused")
        named = [one for one in people if one.name in _USERS.values()]
        files = pki.ensure(folder / "etc", named, server=server.url)
        running = {"apiserver": server.process}
        for name in ("scheduler",) if bare else ("controllers", "scheduler"):
            running[name] = stack.enter_context(_component(name, files.kubeconfig(_USERS[name])))
        running["nodes"] = stack.enter_context(_fleet(server, files, nodes, still=bare))
        context = context_of(files.ca_certificate, files.certificate("root"), files.key("root"))
        yield Site(server, Processes(running), context, nodes)


@contextmanager
def _component(name: str, kubeconfig: Path) -> Iterator[int]:
    command = [*STEERSMAN, name, "--kubeconfig", str(kubeconfig), "--log-level=warning"]
    process = subprocess.Popen(command, env=with_bytecode(command))
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def _fleet(server: Served, files: pki.Pki, count: int, *, still: bool) -> Iterator[int]:
    """So many hollow nodes, registered."""
    root = [f"--certificate={files.certificate('root')}", f"--key={files.key('root')}"]
    command = [sys.executable, "-m", "bench.hollow", f"--nodes={count}", f"--port={server.port}"]
    command += [f"--ca={files.ca_certificate}", *root, *(["--still"] if still else [])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the hollow nodes did not come")
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)
