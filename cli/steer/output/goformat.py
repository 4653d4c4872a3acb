"""Values as Go prints them: ``%v``, and the verbs of ``printf`` that templates use."""

import json
import re
from typing import Any

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d+))?(?P<verb>[a-zA-Z%])")


def shown(value: Any) -> str:
    """As ``%v``; of nothing ``<no value>``, as templates have it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_inner(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_inner(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<no value>" if value is None else str(value)


def _inner(value: Any) -> str:
    return "<nil>" if value is None else shown(value)


def printed(*values: Any) -> str:
    """As ``print``: blanks between operands of which neither is a text."""
    text = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            text += " "
        text += shown(value)
    return text


def formatted(form: str, *values: Any) -> str:
    """As ``printf``."""
    left = list(values)

    def one(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        return _padded(match, _told(verb, match["precision"], left.pop(0)))

    text = _VERB.sub(one, form)
    return text + (f"%!(EXTRA {', '.join(shown(value) for value in left)})" if left else "")


def _told(verb: str, precision: str | None, value: Any) -> str:
    match verb:
        case "q":
            return json.dumps(str(value), ensure_ascii=False)
        case "d" if isinstance(value, int | float):
            return str(int(value))
        case "f" if isinstance(value, int | float):
            return f"{value:.{precision or 6}f}"
        case "x" if isinstance(value, int):
            return f"{value:x}"
        case "s" if isinstance(value, int | float) and not isinstance(value, bool):
            return f"%!s({'int' if isinstance(value, int) else 'float64'}={value})"
        case "s" | "v":
            text = shown(value)
            return text[: int(precision)] if precision else text
        case "t" if isinstance(value, bool):
            return str(value).lower()
    return f"%!{verb}({shown(value)})"


def _padded(match: re.Match[str], text: str) -> str:
    width = int(match["width"] or 0)
    if "-" in match["flags"]:
        return text.ljust(width)
    return text.zfill(width) if "0" in match["flags"] else text.rjust(width)
