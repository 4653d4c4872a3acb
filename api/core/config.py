"""ConfigMap, Secret and ServiceAccount: what pods are told."""

from typing import Annotated

from api.core.references import LocalObjectReference, ObjectReference
from api.meta import Object
from api.struct import F


class ConfigMap(Object):
    """Configuration as keys and values."""

    immutable: Annotated[bool | None, F(4, "May not change any more.")] = None
    data: Annotated[dict[str, str], F(2, "Text values.", form="config_key")] = {}
    binary_data: Annotated[dict[str, bytes], F(3, "Other values, in base64.", form="config_key")] = {}


class Secret(Object):
    """Passwords, keys and tokens."""

    immutable: Annotated[bool | None, F(5, "May not change any more.")] = None
    data: Annotated[dict[str, bytes], F(2, "Values, in base64.", form="config_key")] = {}
    string_data: Annotated[
        dict[str, str], F(4, "Values as text; written into data, never read.", form="config_key")
    ] = {}
    type: Annotated[str, F(3, "For programs that need to know.", default="Opaque", immutable=True)] = ""


class ServiceAccount(Object):
    """An identity for the processes of pods."""

    secrets: Annotated[list[ObjectReference], F(2, "Secrets that its pods may use.", merge_key="name")] = []
    image_pull_secrets: Annotated[list[LocalObjectReference], F(3, "Credentials for image registries.")] = []
    automount_service_account_token: Annotated[bool | None, F(4, "Whether its pods get a token.")] = None
