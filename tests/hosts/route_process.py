"""The agent's keeper of routes in a process of its own: ``python -m tests.hosts.route_process SETTINGS``.

Each line on standard input is the list of all nodes, as JSON; at its end the process stops as an agent does.
"""

import json
import logging
import sys

from agent.network import keeper
from agent.network.keeper import RouteKeeper
from agent.network.marks import tunnel_name
from agent.network.peers import Peer, Problem
from agent.network.wanted import Choice
from api.codec import convert
from api.core import Node


class Nodes:
    """What the test has told."""

    def __init__(self) -> None:
        self.synced = False
        self.known: list[Node] = []

    def items(self) -> list[Node]:
        return self.known


def main() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    told = json.loads(sys.argv[1])
    keeper._SLOW_LOOK_S = 3600.0  # what went is noticed, not looked for
    nodes = Nodes()
    own = Peer(*told["own"])
    routes = RouteKeeper(
        cluster=told["cluster"], bridge=told["bridge"], nodes=nodes, own=lambda: own, tell=_tell,
        choice=Choice(mode=told["mode"], device=tunnel_name(told["bridge"]), vni=84, port=8472),
    )  # fmt: skip
    routes.start()
    for line in sys.stdin:
        nodes.known = [convert(document, Node) for document in json.loads(line)]
        routes.look()
        nodes.synced = True  # in this order, as an informer does
    routes.stop()
    print(f"stopped pyroute2={'pyroute2' in sys.modules}")


def _tell(problem: Problem) -> None:
    print(f"problem node={problem.node} message={problem.message}", flush=True)


if __name__ == "__main__":
    main()
