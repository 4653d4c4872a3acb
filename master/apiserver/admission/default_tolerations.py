"""A pod bears a node that is not ready or not to be reached for five minutes, unless it says otherwise.

Source: k8s.io/kubernetes, plugin/pkg/admission/defaulttolerationseconds.
"""

from api.core import Pod, Toleration
from master.apiserver.admission.chain import Step, Write

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Step):
    """Completes pods."""

    name = "DefaultTolerationSeconds"
    kinds = frozenset((Pod,))

    def version(self) -> int:
        return 0

    def complete(self, write: Write) -> None:
        assert isinstance(write.new, Pod)
        tolerations = write.new.spec.tolerations
        for key in _TAINTS:
            if not any(one.key in ("", key) and one.effect in ("", "NoExecute") for one in tolerations):
                tolerations.append(
                    Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=_SECONDS)
                )
