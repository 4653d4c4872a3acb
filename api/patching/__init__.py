"""The three patches: JSON patch (RFC 6902), JSON merge patch (RFC 7386), and Kubernetes' strategic merge patch.

Each takes plain dicts and lists and returns new ones; the original is not changed. A patch that makes no sense raises
BadRequest; one that does not fit the object raises Invalid or Conflict, as Kubernetes has it.
"""

from api.patching.json_patch import json_patch
from api.patching.merge import merge_patch
from api.patching.strategic import strategic_merge

__all__ = ["json_patch", "merge_patch", "strategic_merge"]
