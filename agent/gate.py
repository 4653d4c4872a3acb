"""Who may be on this node: pods that do not belong here are rejected, and all have to go when the machine does."""

from collections.abc import Callable

from agent.config import Config
from agent.node.facts import MachineFacts
from agent.node.shutdown import Hands, ShutdownWatch
from agent.node.status import allocatable_of
from agent.pods.admission import Admission, Around
from agent.pods.fitting import amounts
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.pods.worker import Worker
from api.core import Node, Pod


class Gate:
    """``node``: as the API has it, None before it was told; ``look``: has the node's status looked at."""

    def __init__(
        self,
        config: Config,
        machine: MachineFacts,
        around: Surroundings,
        store: PodStore,
        worker: Worker,
        *,
        node: Callable[[], Node | None],
        look: Callable[[], None],
    ) -> None:
        self._cache = around.cache
        self._store = store
        self._worker = worker
        hands = Hands(pods=self._pods, running=self._runs, leave=worker.leave, tell=look)
        self.shutdown = ShutdownWatch(config, hands, config.dbus_address)
        self._admission = Admission(
            config.allowed_unsafe_sysctls, amounts(allocatable_of(config, machine)),
            Around(pods=self._pods, running=self._runs, node=node), leave=worker.leave,
            tell=lambda pod, reason, message: around.event(pod, "Warning", reason, message),
        )  # fmt: skip
        worker.refuses = self._refuses
        worker.waits = self._admission.waits

    def _refuses(self, pod: Pod) -> bool:
        return self.shutdown.refuses(pod) or self._admission.refuses(pod)

    def _pods(self) -> list[Pod]:
        """With their newest status."""
        pods = ((pod, self._worker.status(pod.metadata.uid)) for pod in self._store.all())
        return [Pod(metadata=pod.metadata, spec=pod.spec, status=status or pod.status) for pod, status in pods]

    def _runs(self, uid: str) -> bool:
        return any(record.running and not record.is_sandbox for record in self._cache.of_pod(uid))
