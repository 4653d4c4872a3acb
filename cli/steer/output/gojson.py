"""JSON as Go writes it: what HTML gives a meaning, and two ends of lines that JavaScript knows, are escaped."""

import json
from typing import Any

_ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def go_json(value: Any, *, indent: int | None = None, sort_keys: bool = True) -> str:
    """On one line without blanks, or with ``indent`` blanks a level."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, separators=separators, ensure_ascii=False)
    # These stand in texts only.
    return text.translate(_ESCAPED)
