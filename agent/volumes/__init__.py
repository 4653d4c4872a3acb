"""Volumes of pods: made before the containers, removed after them, never across a live mount."""

from agent.volumes.preparing import VolumeError, prepare_volumes, referenced, refresh_volumes, refreshable
from agent.volumes.removing import remove_tree

__all__ = ["VolumeError", "prepare_volumes", "referenced", "refresh_volumes", "refreshable", "remove_tree"]
