"""Why a container cannot be started as its pod says. The messages are the kubelet's."""

from api.errors import ApiError
from client import Unreachable


class ConfigError(Exception):
    """Something that the container refers to is missing or of the wrong form."""


class CreateError(Exception):
    """Something of this node that the container is made with is missing or of the wrong form."""


class ApiAway(ConfigError):
    """The API could not be asked; what it told before still holds."""


def not_had(message: str, error: ApiError | Unreachable) -> ConfigError:
    """What to raise for an answer that is none: a master that has lost its store says 5xx, and is as good as away."""
    away = isinstance(error, Unreachable) or error.code >= 500
    return ApiAway(message) if away else ConfigError(message)
