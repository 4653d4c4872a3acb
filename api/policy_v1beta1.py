"""PodDisruptionBudget in its older form (``policy/v1beta1``), which clients before Kubernetes 1.21 ask for.

The fields are those of ``policy/v1``. What differs is an empty selector: it picks no pod here and every pod there.
"""

from msgspec.structs import replace

from api import policy
from api.meta import LabelSelector


class PodDisruptionBudget(policy.PodDisruptionBudget):
    """Holds up evictions that would leave too few pods."""


def to_v1(budget: PodDisruptionBudget) -> policy.PodDisruptionBudget:
    spec = budget.spec
    if spec.selector == LabelSelector():
        spec = replace(spec, selector=None)
    return policy.PodDisruptionBudget(metadata=budget.metadata, spec=spec, status=budget.status)


def from_v1(budget: policy.PodDisruptionBudget) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        api_version="policy/v1beta1",
        kind="PodDisruptionBudget",
        metadata=budget.metadata,
        spec=budget.spec,
        status=budget.status,
    )
