"""Pods that this node does not take, though they were bound to it: the kubelet's own check of sysctls and of room.

A sysctl is safe when it changes nothing outside of the pod, and cannot harm the node. Others are let in by name.
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
"""

import threading
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

from agent.pods.eviction import is_critical
from agent.pods.fitting import Amounts, asked, shortage
from agent.pods.observed import Leaving
from api.core import Pod

SAFE_SYSCTLS = frozenset((
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
))  # fmt: skip
_OF_IPC = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


class Admission:
    """``allowed``: sysctls beside the safe ones; one that ends with * stands for all that begin so.

    ``running``: whether anything of a pod (by uid) runs already: then it was let in before. ``pods``: those of this
    node, with their newest status. Thread-safe. Pods are let in as they were made, each once: one that is too large
    takes no room from those after it.
    """

    def __init__(
        self,
        allowed: Collection[str],
        capacity: Amounts,
        *,
        pods: Callable[[], Iterable[Pod]],
        running: Callable[[str], bool],
        leave: Callable[[Pod, Leaving], None],
        tell: Callable[[Pod, str, str], None],
    ) -> None:
        self._allowed = allowed
        self._capacity = capacity
        self._pods = pods
        self._running = running
        self._leave = leave
        self._tell = tell
        self._lock = threading.Lock()
        self._taken: dict[str, Amounts] = {}
        self._refused: dict[str, tuple[str, str]] = {}

    def refuses(self, pod: Pod) -> bool:
        """Whether the pod is not taken; it is then told so."""
        uid = pod.metadata.uid
        if uid in self._taken or _is_over(pod) or pod.metadata.deletion_timestamp is not None:
            return False
        with self._lock:
            if uid not in self._taken:
                self._decide(pod)
            problem = self._refused.get(uid)
        if problem is None:
            return False
        reason, message = problem
        self._tell(pod, reason, message)
        self._leave(pod, Leaving(reason=reason, message=f"Pod was rejected: {message}", rejected=True))
        return True

    def _decide(self, pod: Pod) -> None:
        """Of this pod, and of those before it that wait for a decision too."""
        present = {one.metadata.uid: one for one in self._pods() if not self._is_gone(one)} | {pod.metadata.uid: pod}
        self._taken = {uid: amounts for uid, amounts in self._taken.items() if uid in present}
        self._refused = {uid: problem for uid, problem in self._refused.items() if uid in present}
        for uid, one in present.items():
            if uid not in self._taken and self._running(uid):
                self._taken[uid] = asked(one)
        for one in sorted(present.values(), key=_made):
            decided = one.metadata.uid in self._taken or one.metadata.uid in self._refused
            if decided or _made(one) > _made(pod):
                continue
            if problem := self._problem(one):
                self._refused[one.metadata.uid] = problem
            else:
                self._taken[one.metadata.uid] = asked(one)

    def _is_gone(self, pod: Pod) -> bool:
        """Whether it takes no room any more."""
        return _is_over(pod) or (pod.metadata.deletion_timestamp is not None and not self._running(pod.metadata.uid))

    def _problem(self, pod: Pod) -> tuple[str, str] | None:
        if forbidden := forbidden_sysctl(pod, self._allowed):
            return "SysctlForbidden", forbidden
        return None if is_critical(pod) else shortage(asked(pod), self._taken.values(), self._capacity)


def _is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _made(pod: Pod) -> tuple[datetime, str]:
    """Static pods come first: nobody has made them."""
    return pod.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC), pod.metadata.uid


def forbidden_sysctl(pod: Pod, allowed: Collection[str]) -> str:
    """Why the first forbidden one is; empty when there is none."""
    security = pod.spec.security_context
    for sysctl in security.sysctls if security is not None else ():
        name = sysctl.name.replace("/", ".")
        if name not in SAFE_SYSCTLS and not any(_matches(name, pattern) for pattern in allowed):
            return f'forbidden sysctl: "{name}" not allowlisted'
        if pod.spec.host_network and name.startswith("net."):
            return f'forbidden sysctl: "{name}" not allowed with host net enabled'
        if pod.spec.host_ipc and name.startswith(_OF_IPC):
            return f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
    return ""


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
