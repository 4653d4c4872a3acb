"""A container as it is wanted, and as it is."""

from typing import Annotated, ClassVar

from api.core.actions import Lifecycle, Probe
from api.core.security import SecurityContext
from api.core.volume import ObjectFieldSelector, ResourceFieldSelector, VolumeDevice, VolumeMount
from api.scalars import Int32, Resources, Time
from api.struct import F, Struct, always

PROTOCOLS = ("SCTP", "TCP", "UDP")


class ContainerPort(Struct):
    """A port on which the container listens."""

    name: Annotated[str, F(1, "Name of the port, unique in the pod.", form="port_name")] = ""
    host_port: Annotated[Int32, F(2, "Port of the node that leads here.", minimum=0, maximum=65535)] = 0
    container_port: Annotated[Int32, F(3, "Port on the pod's address.", required=True, minimum=1, maximum=65535)] = 0
    protocol: Annotated[str, F(4, "TCP, UDP or SCTP.", default="TCP", enum=PROTOCOLS)] = ""
    host_ip: Annotated[str, F(5, "Address of the node to which hostPort is bound.")] = ""


class ConfigMapKeySelector(Struct):
    """One key of a ConfigMap."""

    whole: ClassVar = True
    name: Annotated[str, F((1, 1), "Name of the ConfigMap.")] = ""
    key: Annotated[str, F(2, "The key.", required=True)] = ""
    optional: Annotated[bool | None, F(3, "Whether it may be missing.")] = None


class SecretKeySelector(Struct):
    """One key of a Secret."""

    whole: ClassVar = True
    name: Annotated[str, F((1, 1), "Name of the Secret.")] = ""
    key: Annotated[str, F(2, "The key.", required=True)] = ""
    optional: Annotated[bool | None, F(3, "Whether it may be missing.")] = None


class EnvVarSource(Struct):
    """Where a variable's value comes from: exactly one of these."""

    field_ref: Annotated[ObjectFieldSelector | None, F(1, "A field of the pod.")] = None
    resource_field_ref: Annotated[ResourceFieldSelector | None, F(2, "A request or limit of a container.")] = None
    config_map_key_ref: Annotated[ConfigMapKeySelector | None, F(3, "A key of a ConfigMap.")] = None
    secret_key_ref: Annotated[SecretKeySelector | None, F(4, "A key of a Secret.")] = None


class EnvVar(Struct):
    """An environment variable."""

    name: Annotated[str, F(1, "Name of the variable.", required=True, form="env_name")] = ""
    value: Annotated[str, F(2, "Its value; $(NAME) of an earlier variable is expanded.")] = ""
    value_from: Annotated[EnvVarSource | None, F(3, "Where the value comes from, instead of value.")] = None


class ConfigMapEnvSource(Struct):
    """All keys of a ConfigMap as variables."""

    name: Annotated[str, F((1, 1), "Name of the ConfigMap.")] = ""
    optional: Annotated[bool | None, F(2, "Whether it may be missing.")] = None


class SecretEnvSource(Struct):
    """All keys of a Secret as variables."""

    name: Annotated[str, F((1, 1), "Name of the Secret.")] = ""
    optional: Annotated[bool | None, F(2, "Whether it may be missing.")] = None


class EnvFromSource(Struct):
    """A set of variables: exactly one source."""

    prefix: Annotated[str, F(1, "Put before each key.")] = ""
    config_map_ref: Annotated[ConfigMapEnvSource | None, F(2, "All keys of a ConfigMap.")] = None
    secret_ref: Annotated[SecretEnvSource | None, F(3, "All keys of a Secret.")] = None


class ResourceClaim(Struct):
    """A claim of the pod that this container uses."""

    name: Annotated[str, F(1, "Name of the pod's claim.", required=True)] = ""
    request: Annotated[str, F(2, "Which request of the claim.")] = ""


class ResourceRequirements(Struct):
    """How much a container needs, and how much it may have at most."""

    limits: Annotated[Resources, F(1, "Most that it may use, by resource name.", form="resource_name")] = {}
    requests: Annotated[Resources, F(2, "What is set aside for it; the limits by default.", form="resource_name")] = {}
    claims: Annotated[list[ResourceClaim], F(3, "Claims that the container uses.")] = []


class ContainerResizePolicy(Struct):
    """What happens when a resource is resized."""

    resource_name: Annotated[str, F(1, "cpu or memory.", required=True)] = ""
    restart_policy: Annotated[
        str, F(2, "Whether a restart is needed.", required=True, enum=("NotRequired", "RestartContainer"))
    ] = ""


class Container(Struct):
    """One program of a pod, run from an image."""

    name: Annotated[str, F(1, "A DNS label, unique in the pod.", required=True, form="dns_label")] = ""
    image: Annotated[str, F(2, "Image to run.", required=True, listed=False)] = ""
    command: Annotated[list[str], F(3, "Replaces the image's entry point; $(VAR) is expanded.")] = []
    args: Annotated[list[str], F(4, "Arguments; replace the image's own.")] = []
    working_dir: Annotated[str, F(5, "Directory in which it starts.")] = ""
    ports: Annotated[
        list[ContainerPort], F(6, "Ports on which it listens.", merge_key="containerPort", second_key="protocol")
    ] = []
    env_from: Annotated[list[EnvFromSource], F(19, "Sets of variables; env wins over them.")] = []
    env: Annotated[list[EnvVar], F(7, "Environment variables.", merge_key="name")] = []
    resources: Annotated[ResourceRequirements | None, F(8, "What it needs and may have.")] = None
    resize_policy: Annotated[list[ContainerResizePolicy], F(23, "What a resize does.")] = []
    restart_policy: Annotated[
        str | None, F(24, "Always makes an init container a sidecar.", enum=("Always", "OnFailure", "Never"))
    ] = None
    volume_mounts: Annotated[list[VolumeMount], F(9, "Volumes it sees.", merge_key="mountPath")] = []
    volume_devices: Annotated[list[VolumeDevice], F(21, "Block devices it sees.", merge_key="devicePath")] = []
    liveness_probe: Annotated[Probe | None, F(10, "Restarts the container when it fails.")] = None
    readiness_probe: Annotated[Probe | None, F(11, "Takes the pod out of its services when it fails.")] = None
    startup_probe: Annotated[Probe | None, F(22, "Holds the other probes back until it succeeds.")] = None
    lifecycle: Annotated[Lifecycle | None, F(12, "Hooks at start and stop.")] = None
    termination_message_path: Annotated[
        str, F(13, "File whose text is reported when it ends.", default="/dev/termination-log")
    ] = ""
    termination_message_policy: Annotated[
        str,
        F(
            20,
            "Where that text comes from.",
            default="File",
            enum=("File", "FallbackToLogsOnError"),
        ),
    ] = ""
    image_pull_policy: Annotated[str, F(14, "When the image is pulled.", enum=("Always", "IfNotPresent", "Never"))] = ""
    security_context: Annotated[SecurityContext | None, F(15, "What it may do.")] = None
    stdin: Annotated[bool, F(16, "Keep standard input open.")] = False
    stdin_once: Annotated[bool, F(17, "Close standard input after the first client.")] = False
    tty: Annotated[bool, F(18, "Give it a terminal.")] = False


class ContainerStateWaiting(Struct):
    """Not yet running."""

    reason: Annotated[str, F(1, "CamelCase word, as ImagePullBackOff.")] = ""
    message: Annotated[str, F(2, "Sentence for people.")] = ""


class ContainerStateRunning(Struct):
    """Running."""

    started_at: Annotated[Time | None, F(1, "When it was started.")] = None


class ContainerStateTerminated(Struct):
    """Ended."""

    exit_code: Annotated[Int32, F(1, "Exit code; 128 and the signal's number when killed.", listed=True)] = always(int)
    signal: Annotated[Int32, F(2, "Signal that ended it.")] = 0
    reason: Annotated[str, F(3, "CamelCase word, as Completed, Error or OOMKilled.")] = ""
    message: Annotated[str, F(4, "Its last words.")] = ""
    started_at: Annotated[Time | None, F(5, "When it was started.")] = None
    finished_at: Annotated[Time | None, F(6, "When it ended.")] = None
    container_id: Annotated[str, F(7, "docker://ID.")] = ""


class ContainerState(Struct):
    """Exactly one of these; waiting when none."""

    waiting: Annotated[ContainerStateWaiting | None, F(1, "Not yet running.")] = None
    running: Annotated[ContainerStateRunning | None, F(2, "Running.")] = None
    terminated: Annotated[ContainerStateTerminated | None, F(3, "Ended.")] = None


class ContainerStatus(Struct):
    """What became of one container."""

    name: Annotated[str, F(1, "Name of the container.", required=True)] = ""
    state: Annotated[ContainerState, F(2, "Its state now.")] = always(ContainerState)
    last_state: Annotated[ContainerState, F(3, "How the run before this one ended.")] = always(ContainerState)
    ready: Annotated[bool, F(4, "Whether its readiness probe passed.", listed=True)] = always(bool)
    restart_count: Annotated[Int32, F(5, "How often it was started again.", listed=True)] = always(int)
    image: Annotated[str, F(6, "Image that it runs.", listed=True)] = always(str)
    image_id: Annotated[str, F(7, "Digest of that image.", listed=True)] = always(str)
    container_id: Annotated[str, F(8, "docker://ID.")] = ""
    started: Annotated[bool | None, F(9, "Whether it passed its startup probe and post-start hook.")] = None


class EphemeralContainer(Container):
    """A container added to a running pod to look into it."""

    # In protobuf the fields of Container stand in a message of their own, EphemeralContainerCommon.
    inherited_number: ClassVar[int] = 1

    target_container_name: Annotated[str, F(2, "The container whose processes it sees.")] = ""
