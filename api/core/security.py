"""What a pod and its containers may do to the host."""

from typing import Annotated

from api.scalars import Int64
from api.struct import F, Struct


class Capabilities(Struct):
    """Linux capabilities added to, and taken from, the runtime's default set."""

    add: Annotated[list[str], F(1, "Added capabilities, without CAP_.")] = []
    drop: Annotated[list[str], F(2, "Dropped capabilities; ALL for every one.")] = []


class SELinuxOptions(Struct):
    """The SELinux context of a container."""

    user: Annotated[str, F(1, "SELinux user.")] = ""
    role: Annotated[str, F(2, "SELinux role.")] = ""
    type: Annotated[str, F(3, "SELinux type.")] = ""
    level: Annotated[str, F(4, "SELinux level.")] = ""


class WindowsSecurityContextOptions(Struct):
    """What Windows alone asks of a container."""

    gmsa_credential_spec_name: Annotated[str | None, F(1, "Name of the GMSA credential spec.")] = None
    gmsa_credential_spec: Annotated[str | None, F(2, "The GMSA credential spec itself.")] = None
    run_as_user_name: Annotated[str | None, F(3, "User that runs the process.")] = None
    host_process: Annotated[bool | None, F(4, "Run as a HostProcess container.")] = None


_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


class SeccompProfile(Struct):
    """The filter of system calls."""

    type: Annotated[
        str, F(1, "Which kind of profile.", required="type is required when seccompProfile is set", enum=_PROFILES)
    ] = ""
    localhost_profile: Annotated[
        str | None, F(2, "File of the profile on the node, for Localhost.", form="relative_path")
    ] = None


class AppArmorProfile(Struct):
    """The AppArmor profile."""

    type: Annotated[
        str, F(1, "Which kind of profile.", required="type is required when appArmorProfile is set", enum=_PROFILES)
    ] = ""
    localhost_profile: Annotated[str | None, F(2, "Name of a profile loaded on the node, for Localhost.")] = None


class SecurityContext(Struct):
    """What one container may do; wins over the pod's."""

    capabilities: Annotated[Capabilities | None, F(1, "Linux capabilities.")] = None
    privileged: Annotated[bool | None, F(2, "Root on the host, in effect.")] = None
    se_linux_options: Annotated[SELinuxOptions | None, F(3, "SELinux context.")] = None
    run_as_user: Annotated[Int64 | None, F(4, "User id of the process.", minimum=0, maximum=2**31 - 1)] = None
    run_as_group: Annotated[Int64 | None, F(8, "Group id of the process.", minimum=0, maximum=2**31 - 1)] = None
    run_as_non_root: Annotated[bool | None, F(5, "Refuse to start as user 0.")] = None
    read_only_root_filesystem: Annotated[bool | None, F(6, "Make the image's file system read-only.")] = None
    allow_privilege_escalation: Annotated[bool | None, F(7, "May gain more rights than its parent.")] = None
    proc_mount: Annotated[str | None, F(9, "How /proc is shown.", enum=("Default", "Unmasked"))] = None
    seccomp_profile: Annotated[SeccompProfile | None, F(11, "Filter of system calls.")] = None
    app_armor_profile: Annotated[AppArmorProfile | None, F(12, "AppArmor profile.")] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, F(10, "What Windows alone asks.")] = None


class Sysctl(Struct):
    """A kernel parameter of the pod's namespaces."""

    name: Annotated[str, F(1, "Name of the parameter.", required=True)] = ""
    value: Annotated[str, F(2, "Its value.", listed=True)] = ""


class PodSecurityContext(Struct):
    """What all containers of a pod may do."""

    se_linux_options: Annotated[SELinuxOptions | None, F(1, "SELinux context.")] = None
    run_as_user: Annotated[Int64 | None, F(2, "User id of the processes.", minimum=0, maximum=2**31 - 1)] = None
    run_as_group: Annotated[Int64 | None, F(6, "Group id of the processes.", minimum=0, maximum=2**31 - 1)] = None
    run_as_non_root: Annotated[bool | None, F(3, "Refuse to start as user 0.")] = None
    supplemental_groups: Annotated[list[Int64], F(4, "Further groups of the processes.")] = []
    supplemental_groups_policy: Annotated[
        str | None, F(12, "How the image's groups count.", enum=("Merge", "Strict"))
    ] = None
    fs_group: Annotated[Int64 | None, F(5, "Group that owns the volumes.", minimum=0, maximum=2**31 - 1)] = None
    fs_group_change_policy: Annotated[
        str | None, F(9, "When volumes change their group.", enum=("Always", "OnRootMismatch"))
    ] = None
    sysctls: Annotated[list[Sysctl], F(7, "Kernel parameters of the pod.")] = []
    seccomp_profile: Annotated[SeccompProfile | None, F(10, "Filter of system calls.")] = None
    app_armor_profile: Annotated[AppArmorProfile | None, F(11, "AppArmor profile.")] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, F(8, "What Windows alone asks.")] = None
