"""A new node takes no pods until the node controller has seen that it is ready, and takes the taint off.

Source: k8s.io/kubernetes, plugin/pkg/admission/nodetaint.
"""

from api.core import Node, Taint
from master.apiserver.admission.chain import Step, Write

_NOT_READY = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")


class TaintNodesByCondition(Step):
    """Completes nodes."""

    name = "TaintNodesByCondition"
    kinds = frozenset((Node,))

    def complete(self, write: Write) -> None:
        assert isinstance(write.new, Node)
        taints = write.new.spec.taints
        if not any((one.key, one.effect) == (_NOT_READY.key, _NOT_READY.effect) for one in taints):
            write.new.spec.taints = [*taints, _NOT_READY]
