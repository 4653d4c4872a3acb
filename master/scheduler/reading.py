"""What a filter or a score reads besides the pod: for as long as that stays as it is, so does what was found out."""

from enum import Enum, auto


class Reads(Enum):
    """NODE: the node's labels, taints and conditions, and of the pod no more than ``Shape.node_terms``. ROOM: the pods
    on the node as well. NEIGHBOURS: pods on other nodes, through ``wish.view``.
    """

    NODE = auto()
    ROOM = auto()
    NEIGHBOURS = auto()
