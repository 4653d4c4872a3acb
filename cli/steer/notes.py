"""The note of what was applied, which `apply` leaves on an object for the next time."""

import copy
from typing import Any

from cli.steer.output.gojson import go_json

Object = dict[str, Any]

# kubectl's own: either may apply what the other did.
NOTE = "kubectl.kubernetes.io/last-applied-configuration"


def note_of(found: Object) -> str:
    """What was applied last, as JSON; empty when nothing is noted."""
    return str((found["metadata"].get("annotations") or {}).get(NOTE) or "")


def with_note(document: Object, namespace: str) -> Object:
    """The object with itself noted in it."""
    wanted = copy.deepcopy(document)
    meta = wanted.setdefault("metadata", {})
    if namespace:
        meta["namespace"] = namespace
    annotations = meta.setdefault("annotations", {}) or {}
    annotations.pop(NOTE, None)
    meta["annotations"] = {**annotations, NOTE: go_json(wanted) + "\n"}
    return wanted
