"""Which sysctls a pod may set.

One is safe when it changes nothing outside of the pod, and cannot harm the node. Others are let in by name.
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
"""

from collections.abc import Collection

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
