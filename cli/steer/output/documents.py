"""Objects as JSON and YAML, in the form in which kubectl prints them."""

import re
from typing import Any

import msgspec
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

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Folded at blanks alone: PyYAML marks them with backslashes, which libyaml and Go do only between several."""
        self.write_indicator('"', True)
        before = ""
        for at, sign in enumerate(text):
            fold = split and sign == " " != before and self.column > self.best_width and 0 < at < len(text) - 1
            if fold:
                self.write_indent()
            before, piece = sign, self._escaped(sign)
            if fold:
                piece = "\\" if text[at + 1] == " " else ""
            self.column += len(piece)
            self.stream.write(piece)
        self.write_indicator('"', False)

    def _escaped(self, sign: str) -> str:
        if sign not in '"\\\x85\u2028\u2029\ufeff' and (
            " " <= sign <= "~" or "\xa0" <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd"
        ):
            return sign
        if sign in self.ESCAPE_REPLACEMENTS:
            return "\\" + str(self.ESCAPE_REPLACEMENTS[sign])
        code = ord(sign)
        return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


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
    """Keys in order, lists not indented, long lines folded."""
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=80, sort_keys=True)


def as_json(value: Any, *, in_order: bool = False) -> str:
    """Keys sorted, or in their order; four blanks a level."""
    return go_json(value, indent=4, sort_keys=not in_order) + "\n"


def as_list(items: list[Any]) -> dict[str, Any]:
    """Several objects as one."""
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}


def as_written(items: list[Any]) -> dict[str, Any]:
    """Several objects that a verb has written, as one, in the order in which kubectl prints its JSON."""
    return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": msgspec.to_builtins(items, order="sorted")}
