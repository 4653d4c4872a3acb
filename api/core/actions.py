"""What a probe or a life-cycle hook does to a container."""

from typing import Annotated

from api.scalars import Int32, Int64, IntOrString
from api.struct import F, Struct


class ExecAction(Struct):
    """Runs a command inside the container; exit code 0 is success."""

    command: Annotated[list[str], F(1, "Program and arguments; no shell around them.")] = []


class HTTPHeader(Struct):
    """A header of a probe's request."""

    name: Annotated[str, F(1, "Name of the header.", required=True, form="http_header")] = ""
    value: Annotated[str, F(2, "Value of the header.", listed=True)] = ""


class HTTPGetAction(Struct):
    """Sends an HTTP GET; a status from 200 to 399 is success."""

    path: Annotated[str, F(1, "Path of the request.", default="/")] = ""
    port: Annotated[IntOrString, F(2, "Number or name of the container's port.", required=True, form="port")] = ""
    host: Annotated[str, F(3, "Host to connect to; the pod's address by default.")] = ""
    scheme: Annotated[str, F(4, "HTTP or HTTPS.", default="HTTP", enum=("HTTP", "HTTPS"))] = ""
    http_headers: Annotated[list[HTTPHeader], F(5, "Headers of the request.")] = []


class TCPSocketAction(Struct):
    """Opens a TCP connection; being accepted is success."""

    port: Annotated[IntOrString, F(1, "Number or name of the container's port.", required=True, form="port")] = ""
    host: Annotated[str, F(2, "Host to connect to; the pod's address by default.")] = ""


class GRPCAction(Struct):
    """Asks the gRPC health service; SERVING is success."""

    port: Annotated[Int32, F(1, "Port of the service.", required=True, minimum=1, maximum=65535)] = 0
    service: Annotated[str | None, F(2, "Name of the service asked about.", default="")] = None


class SleepAction(Struct):
    """Waits."""

    seconds: Annotated[Int64, F(1, "How long to wait.", minimum=0, listed=True)] = 0


class Probe(Struct):
    """A regular check of a container."""

    exec: Annotated[ExecAction | None, F((1, 1), "Runs a command in the container.")] = None
    http_get: Annotated[HTTPGetAction | None, F((1, 2), "Sends an HTTP GET.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, F((1, 3), "Opens a TCP connection.")] = None
    grpc: Annotated[GRPCAction | None, F((1, 4), "Asks the gRPC health service.")] = None
    initial_delay_seconds: Annotated[Int32, F(2, "Wait after the container's start.", minimum=0)] = 0
    timeout_seconds: Annotated[Int32, F(3, "Limit of one check.", default=1, minimum=0)] = 0
    period_seconds: Annotated[Int32, F(4, "Time from one check to the next.", default=10, minimum=0)] = 0
    success_threshold: Annotated[Int32, F(5, "Successes in a row that make it healthy.", default=1, minimum=0)] = 0
    failure_threshold: Annotated[Int32, F(6, "Failures in a row that make it unhealthy.", default=3, minimum=0)] = 0
    termination_grace_period_seconds: Annotated[
        Int64 | None, F(7, "Grace for a container that this probe ends; the pod's own by default.", minimum=1)
    ] = None


class LifecycleHandler(Struct):
    """What a hook does: exactly one of these."""

    exec: Annotated[ExecAction | None, F(1, "Runs a command in the container.")] = None
    http_get: Annotated[HTTPGetAction | None, F(2, "Sends an HTTP GET.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, F(3, "Kept for old manifests; not carried out.")] = None
    sleep: Annotated[SleepAction | None, F(4, "Waits.")] = None


class Lifecycle(Struct):
    """Hooks at the beginning and the end of a container's life."""

    post_start: Annotated[LifecycleHandler | None, F(1, "Right after the container was started.")] = None
    pre_stop: Annotated[LifecycleHandler | None, F(2, "Before the container is asked to end.")] = None
