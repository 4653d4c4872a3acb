"""Events about what happens by itself on the node: probes that fail, memory that runs out, nodes without a way."""

from collections.abc import Callable

from agent.network.peers import Problem
from agent.node.oom import Victim
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.probes.checks import Target
from agent.probes.prober import PROBE_SECONDS


class Teller:
    """``tell_node``: an event of the node (type, reason, message)."""

    def __init__(self, around: Surroundings, store: PodStore, tell_node: Callable[[str, str, str], None]) -> None:
        self._around = around
        self._store = store
        self._tell_node = tell_node

    def no_way(self, problem: Problem) -> None:
        told = f"Could not create route to pods of node {problem.node or 'unknown'}: {problem.message}"
        self._tell_node("Warning", "FailedToCreateRoute", told)

    def victim(self, victim: Victim) -> None:
        """The kernel has ended a process for want of memory."""
        record = self._around.cache.get(victim.container)
        pod = self._store.get(record.uid) if record is not None else None
        if record is not None and pod is not None:
            told = f"Out of memory: Killed process {victim.pid} ({victim.name})"
            self._around.event(pod, "Warning", "OOMKilling", told, container=record.container)
        if victim.system:
            told = f"System OOM encountered, victim process: {victim.name}, pid: {victim.pid}"
            self._tell_node("Warning", "SystemOOM", told)

    def probe(self, target: Target, message: str, took_s: float) -> None:
        """With the time that it took beside the message, which stays Kubernetes' own and is counted when repeated."""
        pod = self._store.get(target.record.uid)
        if pod is not None:
            self._around.event(
                pod, "Warning", "Unhealthy", message, container=target.container.name,
                annotations={PROBE_SECONDS: f"{took_s:.3f}"},
            )  # fmt: skip
