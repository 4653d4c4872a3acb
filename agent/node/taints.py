"""Taints as they are told on a command line: ``key=value:Effect`` or ``key:Effect``."""

from api.core import Taint
from api.formats import label_value, qualified_name

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def taint_of(text: str) -> Taint:
    """Raises ValueError that says what is wrong."""
    told, colon, effect = text.rpartition(":")
    key, _, value = told.partition("=")
    if not colon or effect not in EFFECTS:
        raise ValueError(f"{text!r} does not end with one of {', '.join(f':{one}' for one in EFFECTS)}")
    if problem := qualified_name(key) or label_value(value):
        raise ValueError(f"{text!r}: {problem}")
    return Taint(key=key, value=value, effect=effect)
