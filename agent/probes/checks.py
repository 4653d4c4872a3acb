"""One check of a container: exec, HTTP, TCP or gRPC. Also what life-cycle hooks do. The edge; each has a time limit.

Messages are the kubelet's, since people know them.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.probes.grpc_health import UNKNOWN_SERVICE, serving
from agent.probes.http_status import http_status
from agent.runtime.docker import Docker
from agent.runtime.failures import RuntimeFailure
from agent.runtime.records import ContainerRecord
from agent.version import kubelet_version
from api.core import Container, ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction

OUTPUT_LIMIT_BYTES = 10 * 1024
_EXEC_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``ok`` None: nothing is known (Docker did not answer), and nothing may follow from it."""

    ok: bool | None
    message: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is checked, and the pod's address."""

    record: ContainerRecord
    container: Container
    ip: str


def check_probe(docker: Docker, target: Target, probe: Probe) -> CheckResult:
    timeout_s = float(probe.timeout_seconds or 1)
    return _timed(lambda: _probe(docker, target, probe, timeout_s))


def _probe(docker: Docker, target: Target, probe: Probe, timeout_s: float) -> CheckResult:
    if probe.exec is not None:
        return check_exec(docker, target, probe.exec, timeout_s)
    if probe.http_get is not None:
        return check_http(target, probe.http_get, timeout_s)
    if probe.tcp_socket is not None:
        return check_tcp(target, probe.tcp_socket, timeout_s)
    if probe.grpc is not None:
        return check_grpc(target, probe.grpc, timeout_s)
    return CheckResult(False, "the probe names no action")


def run_handler(docker: Docker, target: Target, handler: LifecycleHandler, *, timeout_s: float) -> CheckResult:
    """A post-start or pre-stop hook."""
    if handler.exec is not None:
        action = handler.exec
        return _timed(lambda: check_exec(docker, target, action, timeout_s))
    if handler.http_get is not None:
        http_get = handler.http_get
        return _timed(lambda: check_http(target, http_get, timeout_s))
    if handler.sleep is not None:
        time.sleep(min(handler.sleep.seconds, timeout_s))
        return CheckResult(True)
    return CheckResult(False, "tcpSocket is not carried out as a hook")


def _timed(check: Callable[[], CheckResult]) -> CheckResult:
    began = time.monotonic()
    result = check()
    return CheckResult(result.ok, result.message, time.monotonic() - began)


def check_exec(docker: Docker, target: Target, action: ExecAction, timeout_s: float) -> CheckResult:
    """Exit code 0 is success. One that does not end in time is killed, with what it wrote so far."""
    try:
        exec_id = docker.exec_create(target.record.id, action.command)
        try:
            output = docker.exec_run(exec_id, limit_bytes=OUTPUT_LIMIT_BYTES, timeout_s=timeout_s)
        except TimeoutError:
            _kill_exec(docker, exec_id)
            return CheckResult(False, f'command timed out: "{" ".join(action.command)}" timed out after {timeout_s:g}s')
        code = _exit_code(docker, exec_id)
    except RuntimeFailure as error:
        if "OCI runtime exec failed" in str(error):
            return CheckResult(False, str(error))
        return CheckResult(None, str(error))
    text = output.decode(errors="replace").strip()
    return CheckResult(code == 0, text or (f"exit code {code}" if code else ""))


def _exit_code(docker: Docker, exec_id: str) -> int | None:
    """The stream may end a moment before Docker has noted the exit code."""
    deadline = time.monotonic() + _EXEC_GRACE_S
    while (code := docker.exec_result(exec_id)[0]) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return code


def _kill_exec(docker: Docker, exec_id: str) -> None:
    """Docker cannot end an exec; the kernel can."""
    code, pid = docker.exec_result(exec_id)
    if code is None and pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def check_http(target: Target, action: HTTPGetAction, timeout_s: float) -> CheckResult:
    """A status from 200 to 399 is success. Certificates are not checked, redirects not followed."""
    port = port_number(action.port, target.container)
    if port is None:
        return CheckResult(False, f"couldn't find port: {action.port}")
    host = action.host or target.ip
    scheme = (action.scheme or "HTTP").lower()
    url = f"{scheme}://{host}:{port}{action.path or '/'}"
    headers = [(header.name, header.value) for header in action.http_headers]
    named = {name.lower() for name, _ in headers}
    headers += [header for header in _default_headers() if header[0].lower() not in named]
    try:
        status = http_status(scheme, host, port, action.path or "/", headers, timeout_s=timeout_s)
    except TimeoutError:
        message = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        return CheckResult(False, message)
    except (OSError, ValueError) as error:
        return CheckResult(False, f'Get "{url}": {_told(error)}')
    if 200 <= status < 400:
        return CheckResult(True)
    return CheckResult(False, f"HTTP probe failed with statuscode: {status}")


def _default_headers() -> list[tuple[str, str]]:
    return [("User-Agent", f"kube-probe/{kubelet_version()[1:5]}"), ("Accept", "*/*")]


def check_tcp(target: Target, action: TCPSocketAction, timeout_s: float) -> CheckResult:
    port = port_number(action.port, target.container)
    if port is None:
        return CheckResult(False, f"couldn't find port: {action.port}")
    host = action.host or target.ip
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except TimeoutError:
        return CheckResult(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return CheckResult(False, f"dial tcp {host}:{port}: {_told(error)}")
    return CheckResult(True)


def check_grpc(target: Target, action: GRPCAction, timeout_s: float) -> CheckResult:
    try:
        status = serving(target.ip, action.port, action.service or "", timeout_s=timeout_s)
    except TimeoutError:
        return CheckResult(
            False, f'timeout: failed to connect service "{target.ip}:{action.port}" within {timeout_s:g}s'
        )
    except (OSError, ValueError) as error:
        return CheckResult(False, f"error: health rpc probe failed: {_told(error)}")
    if status == UNKNOWN_SERVICE:
        return CheckResult(False, "error: health rpc failed: no such service, or no health service")
    return CheckResult(status == 1, "" if status == 1 else f"service unhealthy (responded with status {status})")


def _told(error: BaseException) -> str:
    """As Go words it: people search for it."""
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


def port_number(port: int | str, container: Container) -> int | None:
    """A port's number from its number or name; None for an unknown name."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    return next((item.container_port for item in container.ports if item.name == port), None)
