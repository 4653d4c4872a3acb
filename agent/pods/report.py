"""The patch that turns one pod status into another. Pure."""

from typing import Any

from api.codec import plain
from api.core import PodStatus


def status_patch(uid: str, before: PodStatus, after: PodStatus) -> dict[str, Any] | None:
    """A JSON merge patch; None when nothing differs. The uid in it makes the API refuse it for another pod."""
    old, new = plain(before), plain(after)
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    changed |= {key: None for key in old if key not in new}
    if not changed:
        return None
    return {"metadata": {"uid": uid}, "status": changed}
