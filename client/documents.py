"""Documents that people and programs write: JSON, which is YAML too, or any other YAML."""

from typing import Any

import msgspec


def parse(text: str | bytes) -> Any:
    """Plain values; None for an empty document. Raises ValueError.

    Our own kubeconfig files are JSON: a daemon that reads nothing else goes without PyYAML, which takes a MiB.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _parse_yaml(text)


def _parse_yaml(text: str | bytes) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
