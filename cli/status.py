"""`steersman status`: the components with pid, age, memory and restarts, and the nodes.

Exit code: 0 when all components run and the API answers, 3 otherwise (as `systemctl status`).
"""

import argparse
import time
from typing import TYPE_CHECKING

import psutil

from cli import board
from cli.cluster import Settings, add_location_flags, is_installed, load
from cli.processes import Identity, find
from cli.progress import say
from cli.table import age, render, size

if TYPE_CHECKING:
    from api.core import Node

NOT_RUNNING = 3


def main(arguments: list[str]) -> int:
    """Print the tables; the exit code."""
    parser = argparse.ArgumentParser(prog="steersman status", description="Show the components and nodes.")
    add_location_flags(parser)
    settings, _ = load(parser.parse_args(arguments))
    if not is_installed(settings):
        say(f"no cluster in {settings.config} (steersman up makes one)")
        return NOT_RUNNING
    written = board.read(settings.run)
    alive = written is not None and find(written.supervisor) is not None
    say(f"cluster {settings.name}: {'supervised' if alive else 'not running (steersman up starts it)'}")
    whole = alive
    if written is not None:
        rows = [component_row(one, supervised=alive) for one in written.entries]
        whole = whole and all(row[1] == "running" for row in rows)
        own = ("supervisor", "running" if alive else "gone", *process_cells(written.supervisor if alive else None))
        say(render(("COMPONENT", "STATE", "PID", "SINCE", "MEMORY", "RESTARTS", "LAST EXIT"), [(*own, "", ""), *rows]))
    answers = _show_nodes(settings) if alive else True
    return 0 if whole and answers else NOT_RUNNING


def component_row(entry: board.Entry, *, supervised: bool) -> tuple[str, ...]:
    """One component as cells. `waiting` is for its next start, `gone` is killed without anyone to start it again."""
    running = entry.process is not None and find(entry.process) is not None
    without = "waiting" if supervised else "stopped"
    state = "running" if running else without if entry.process is None else "gone"
    cells = process_cells(entry.process if running else None)
    return (entry.name, state, *cells, str(entry.restarts), entry.last_exit)


def process_cells(process: Identity | None) -> tuple[str, str, str]:
    """pid, age and memory. Memory is the proportional share: pages that components share count once in the sum."""
    if process is None:
        return "", "", ""
    try:
        memory = psutil.Process(process.pid).memory_full_info().pss
    except psutil.AccessDenied:
        return str(process.pid), age(time.time() - process.started), "?"
    except psutil.NoSuchProcess:
        return str(process.pid), "", ""
    return str(process.pid), age(time.time() - process.started), size(memory)


def _show_nodes(settings: Settings) -> bool:
    from api.core import Node
    from api.errors import ApiError
    from client import Client, Unreachable
    from client.kubeconfig import KubeconfigError

    try:
        client = Client.from_kubeconfig(settings.kubeconfig("admin"))
    except KubeconfigError as error:
        say(f"nodes: {error}")
        return False
    try:
        nodes = client.list(Node).items
    except (Unreachable, ApiError) as error:
        say(f"nodes: the API server at {settings.local_server} does not answer: {error}")
        return False
    finally:
        client.close()
    say("")
    say(render(("NODE", "READY", "ADDRESS", "POD CIDR"), [_node_row(node) for node in nodes]))
    return True


def _node_row(node: "Node") -> tuple[str, ...]:
    status = node.status
    ready = next((one.status for one in status.conditions if one.type == "Ready"), "Unknown") if status else "Unknown"
    address = next((one.address for one in status.addresses if one.type == "InternalIP"), "") if status else ""
    return (node.metadata.name, ready, address, node.spec.pod_cidr if node.spec else "")
