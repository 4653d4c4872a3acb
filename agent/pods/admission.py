"""Pods that this node does not take, though they were bound to it: the kubelet's own check of sysctls.

A sysctl is safe when it changes nothing outside of the pod, and cannot harm the node. Others are let in by name.
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
"""

from collections.abc import Callable, Collection

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

    ``running``: whether anything of a pod (by uid) runs already: then it was let in before.
    """

    def __init__(
        self,
        allowed: Collection[str],
        *,
        running: Callable[[str], bool],
        leave: Callable[[Pod, Leaving], None],
        tell: Callable[[Pod, str, str], None],
    ) -> None:
        self._allowed = allowed
        self._running = running
        self._leave = leave
        self._tell = tell

    def refuses(self, pod: Pod) -> bool:
        """Whether the pod is not taken; it is then told so."""
        problem = forbidden_sysctl(pod, self._allowed)
        over = pod.status.phase in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp is not None
        if not problem or over or self._running(pod.metadata.uid):
            return False
        self._tell(pod, "SysctlForbidden", problem)
        told = f"Pod was rejected: {problem}"
        self._leave(pod, Leaving(reason="SysctlForbidden", message=told, rejected=True))
        return True


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
