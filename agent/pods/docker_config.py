"""What Docker is asked to create: sandbox and container as JSON documents. Pure.

What cannot be had here is refused by name (``unsupported``), never left out in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.pods.environment import expand
from agent.pods.problems import ConfigError
from agent.pods.qos import CPU_PERIOD_US, MIN_MEMORY_BYTES, SANDBOX_OOM_SCORE, Limits
from agent.pods.resolving import hostname_of
from agent.runtime.facts import ImageFacts
from agent.runtime.records import (
    BACKOFF_LEVEL,
    IMAGE_DIGEST,
    SANDBOX_CONTAINER,
    SANDBOX_ID,
    SPEC_HASH,
    pod_labels,
    spec_hash,
)
from api.core import Container, Pod, PodSecurityContext, SecurityContext

_SHAREABLE_API = (1, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What holds for all containers of this node. negative_oom_score: whether the host lets us protect a process."""

    cluster: str
    network: str
    pause_image: str
    log_max_size: str
    log_max_files: int
    api_version: tuple[int, ...] = (1, 41)
    negative_oom_score: bool = True


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the host, seen in a container."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


def sandbox_config(pod: Pod, host: Host, *, attempt: int, cgroup_parent: str = "") -> dict[str, Any]:
    """The pause container, which owns the pod's namespaces, address and host ports."""
    security = pod.spec.security_context or PodSecurityContext()
    host_config: dict[str, Any] = {
        "NetworkMode": "host" if pod.spec.host_network else host.network,
        "IpcMode": "host" if pod.spec.host_ipc else ("shareable" if host.api_version >= _SHAREABLE_API else ""),
        "PidMode": "host" if pod.spec.host_pid else "",
        "CgroupParent": cgroup_parent,
        "CpuShares": 2,
        "OomScoreAdj": _allowed_score(SANDBOX_OOM_SCORE, host),
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Sysctls": {sysctl.name: sysctl.value for sysctl in security.sysctls},
        "LogConfig": _log_config(host),
    }
    document: dict[str, Any] = {
        "Image": host.pause_image,
        "Labels": pod_labels(pod, cluster=host.cluster, container=SANDBOX_CONTAINER, attempt=attempt),
        "HostConfig": host_config,
    }
    if not pod.spec.host_network:
        document["Hostname"] = hostname_of(pod)
        document["ExposedPorts"], host_config["PortBindings"] = _ports(pod)
    return document


def _ports(pod: Pod) -> tuple[dict[str, Any], dict[str, Any]]:
    exposed: dict[str, Any] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for container in [*pod.spec.init_containers, *pod.spec.containers]:
        for port in container.ports:
            if port.host_port:
                key = f"{port.container_port}/{(port.protocol or 'TCP').lower()}"
                exposed[key] = {}
                bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": str(port.host_port)})
    return exposed, bindings


def container_config(
    pod: Pod,
    container: Container,
    host: Host,
    *,
    sandbox_id: str,
    attempt: int,
    level: int,
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    limits: Limits,
    image: ImageFacts,
    processes_of: str = "",
    cgroup_parent: str = "",
    seccomp: str = "",
) -> dict[str, Any]:
    """A container in the sandbox's namespaces; ``processes_of``: the id of one whose processes it sees.

    ``seccomp``: a security option of Docker. Raises ConfigError.
    """
    security = container.security_context or SecurityContext()
    of_pod = pod.spec.security_context or PodSecurityContext()
    labels = pod_labels(pod, cluster=host.cluster, container=container.name, attempt=attempt) | {
        SANDBOX_ID: sandbox_id,
        SPEC_HASH: spec_hash(container),
        BACKOFF_LEVEL: str(level),
    }
    if digest := next((name for name in image.names if "@" in name), ""):
        labels[IMAGE_DIGEST] = digest
    document: dict[str, Any] = {
        "Image": container.image,
        "Labels": labels,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "User": _user(security, of_pod, image),
        "WorkingDir": expand(container.working_dir, env),
        "Tty": container.tty,
        "OpenStdin": container.stdin,
        "StdinOnce": container.stdin_once,
        # The image's own health check would run beside the probes.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(pod, host, security, sandbox_id=sandbox_id, mounts=mounts, limits=limits),
    }
    document["HostConfig"]["CgroupParent"] = cgroup_parent
    if seccomp:
        document["HostConfig"]["SecurityOpt"].append(seccomp)
    if processes_of and not pod.spec.host_pid and not pod.spec.share_process_namespace:
        document["HostConfig"]["PidMode"] = f"container:{processes_of}"
    if container.command:
        document["Entrypoint"] = [expand(text, env) for text in container.command]
    if container.args:
        document["Cmd"] = [expand(text, env) for text in container.args]
    return document


def _host_config(
    pod: Pod, host: Host, security: SecurityContext, *, sandbox_id: str, mounts: Sequence[Mount], limits: Limits
) -> dict[str, Any]:
    of_pod = pod.spec.security_context or PodSecurityContext()
    groups = [*of_pod.supplemental_groups, *([of_pod.fs_group] if of_pod.fs_group is not None else [])]
    joined = f"container:{sandbox_id}"
    document: dict[str, Any] = {
        "NetworkMode": joined,
        "IpcMode": "host" if pod.spec.host_ipc else joined,
        "PidMode": "host" if pod.spec.host_pid else (joined if pod.spec.share_process_namespace else ""),
        "UTSMode": "host" if pod.spec.host_network else "",
        "Mounts": [_mount(mount) for mount in mounts],
        "CpuShares": limits.cpu_shares,
        "OomScoreAdj": _allowed_score(limits.oom_score_adj, host),
        "Privileged": bool(security.privileged),
        "ReadonlyRootfs": bool(security.read_only_root_filesystem),
        "GroupAdd": [str(group) for group in groups],
        "SecurityOpt": _security_options(security, of_pod),
        "LogConfig": _log_config(host),
    }
    if limits.cpu_quota_us:
        document |= {"CpuPeriod": CPU_PERIOD_US, "CpuQuota": limits.cpu_quota_us}
    if limits.memory_bytes:
        memory_bytes = max(limits.memory_bytes, MIN_MEMORY_BYTES)
        document |= {"Memory": memory_bytes, "MemorySwap": memory_bytes}
    if security.capabilities is not None:
        document |= {"CapAdd": security.capabilities.add, "CapDrop": security.capabilities.drop}
    if security.proc_mount == "Unmasked":
        document |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return document


def _mount(mount: Mount) -> dict[str, Any]:
    # Private is Docker's own default. It refuses to be told so of what holds its own folder, as the host's root does.
    options = {"Propagation": mount.propagation} if mount.propagation != "rprivate" else {}
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
        "BindOptions": options,
    }


def _log_config(host: Host) -> dict[str, Any]:
    options = {"max-size": host.log_max_size, "max-file": str(host.log_max_files)}
    return {"Type": "json-file", "Config": options}


def _allowed_score(score: int, host: Host) -> int:
    return score if score >= 0 or host.negative_oom_score else 0


def _user(security: SecurityContext, of_pod: PodSecurityContext, image: ImageFacts) -> str:
    """``uid[:gid]`` for Docker; empty for the image's own. Raises ConfigError when it would be root against a wish."""
    user = security.run_as_user if security.run_as_user is not None else of_pod.run_as_user
    group = security.run_as_group if security.run_as_group is not None else of_pod.run_as_group
    non_root = security.run_as_non_root if security.run_as_non_root is not None else of_pod.run_as_non_root
    if non_root:
        _check_not_root(user, image)
    if user is None:
        return f"{image.user.partition(':')[0] or 0}:{group}" if group is not None else ""
    return f"{user}:{group}" if group is not None else str(user)


def _check_not_root(user: int | None, image: ImageFacts) -> None:
    name = image.user.partition(":")[0]
    if user == 0:
        raise ConfigError("container's runAsUser breaks non-root policy")
    if user is None and name in ("", "0", "root"):
        raise ConfigError("container has runAsNonRoot and image will run as root")
    if user is None and not name.isdigit():
        told = f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        raise ConfigError(told)


def _security_options(security: SecurityContext, of_pod: PodSecurityContext) -> list[str]:
    options = []
    if security.allow_privilege_escalation is False:
        options.append("no-new-privileges")
    armor = security.app_armor_profile or of_pod.app_armor_profile
    if armor is not None and armor.type != "RuntimeDefault":
        options.append("apparmor=" + ("unconfined" if armor.type == "Unconfined" else armor.localhost_profile or ""))
    selinux = security.se_linux_options or of_pod.se_linux_options
    if selinux is not None:
        parts = {"user": selinux.user, "role": selinux.role, "type": selinux.type, "level": selinux.level}
        options += [f"label={name}:{value}" for name, value in parts.items() if value]
    return options


def unsupported(pod: Pod) -> str:
    """The first wish of the pod that this agent cannot fulfil; empty when there is none."""
    if pod.spec.host_users is False:
        return "spec.hostUsers: user namespaces are not supported by this agent"
    if pod.spec.os is not None and pod.spec.os.name not in ("", "linux"):
        return f"spec.os: this node runs linux, not {pod.spec.os.name}"
    if pod.spec.runtime_class_name:
        return f"spec.runtimeClassName: there is no runtime class {pod.spec.runtime_class_name!r} on this node"
    for container in [*pod.spec.init_containers, *pod.spec.containers]:
        if container.volume_devices:
            return f"container {container.name}: volumeDevices are not supported by this agent"
        if container.resources is not None and container.resources.claims:
            return f"container {container.name}: resource claims are not supported by this agent"
    return ""
