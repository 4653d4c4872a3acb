"""What can happen to a cluster that lets a waiting pod fit."""

from enum import Flag, auto


class Change(Flag):
    """POD_PLACED includes a placed pod whose labels changed."""

    NODE = auto()
    POD_GONE = auto()
    POD_PLACED = auto()
    VOLUME = auto()
    NAMESPACE = auto()


ANYTHING = ~Change(0)
NOTHING = Change(0)
