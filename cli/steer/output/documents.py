"""Objects as JSON and YAML, in the form in which kubectl prints them."""

import re
from typing import Any

import yaml

from cli.steer.output.gojson import go_json

# A lone = is YAML's for a default value; *, & and ! begin marks that only the whole document gives a meaning.
_TEXTS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:yaml")
_UNQUOTED_ELSEWHERE = re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$|^0o[0-7]+$|^[yYnN]$")


class _Dumper(yaml.SafeDumper):
    """As Go's YAML: a text that would be read as something else in double quotes, several lines as a block, and what
    stands in several places written out in each."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value and not re.search(r"[^\S\n]\n|^\s", value):
        style = "|"
    elif "\n" in value or _meant_as(dumper, value) not in _TEXTS or _UNQUOTED_ELSEWHERE.match(value):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _meant_as(dumper: Any, value: str) -> str:
    """The type that an unquoted text would have."""
    tag: str = dumper.resolve(yaml.ScalarNode, value, (True, False))
    return tag


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """Keys in order, lists not indented."""
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=2**31, sort_keys=True)


def as_json(value: Any, *, in_order: bool = False) -> str:
    """Keys sorted, or in their order; four blanks a level."""
    return go_json(value, indent=4, sort_keys=not in_order) + "\n"


def as_list(items: list[Any]) -> dict[str, Any]:
    """Several objects as one."""
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
