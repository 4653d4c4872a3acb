"""On which nodes a pod may or should run."""

from typing import Annotated, ClassVar

from api.formats import NODE_OPERATORS
from api.meta import LabelSelector
from api.scalars import Int32, Int64
from api.struct import F, Struct

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class NodeSelectorRequirement(Struct):
    """One term about a node."""

    key: Annotated[str, F(1, "Key of the label or field.", listed=True)] = ""
    operator: Annotated[
        str,
        F(2, "How key and values relate.", listed=True, enum=NODE_OPERATORS, form="node_operator"),
    ] = ""
    values: Annotated[list[str], F(3, "The values; one integer for Gt and Lt.")] = []


class NodeSelectorTerm(Struct):
    """Holds when all its requirements do; an empty term holds for no node."""

    whole: ClassVar = True
    match_expressions: Annotated[list[NodeSelectorRequirement], F(1, "About labels of the node.")] = []
    match_fields: Annotated[list[NodeSelectorRequirement], F(2, "About fields of the node.")] = []


class NodeSelector(Struct):
    """Holds when any of its terms does."""

    whole: ClassVar = True
    node_selector_terms: Annotated[
        list[NodeSelectorTerm], F(1, "The terms.", required="must have at least one node selector term")
    ] = []


class PreferredSchedulingTerm(Struct):
    """A term that makes a node better by its weight."""

    weight: Annotated[Int32, F(1, "From 1 to 100.", listed=True, minimum=1, maximum=100)] = 0
    preference: Annotated[NodeSelectorTerm | None, F(2, "The term.", listed=True)] = None


class NodeAffinity(Struct):
    """Which nodes the pod may and should run on."""

    required_during_scheduling_ignored_during_execution: Annotated[
        NodeSelector | None, F(1, "Must hold for the node.")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredSchedulingTerm], F(2, "Makes a node better.")
    ] = []


class PodAffinityTerm(Struct):
    """Pods near, or far from, which the pod wants to be."""

    label_selector: Annotated[LabelSelector | None, F(1, "Which pods.")] = None
    namespaces: Annotated[list[str], F(2, "Where those pods are; the pod's own namespace by default.")] = []
    topology_key: Annotated[str, F(3, "Node label whose value says what is near.", required="can not be empty")] = ""
    namespace_selector: Annotated[LabelSelector | None, F(4, "Where those pods are, by label.")] = None
    match_label_keys: Annotated[list[str], F(5, "Labels of the pod itself that must be equal.")] = []
    mismatch_label_keys: Annotated[list[str], F(6, "Labels of the pod itself that must differ.")] = []


class WeightedPodAffinityTerm(Struct):
    """A term that makes a node better by its weight."""

    weight: Annotated[Int32, F(1, "From 1 to 100.", listed=True, minimum=1, maximum=100)] = 0
    pod_affinity_term: Annotated[PodAffinityTerm | None, F(2, "The term.", required=True)] = None


class PodAffinity(Struct):
    """Pods near which the pod may and should run."""

    required_during_scheduling_ignored_during_execution: Annotated[list[PodAffinityTerm], F(1, "Must hold.")] = []
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodAffinityTerm], F(2, "Makes a node better.")
    ] = []


class PodAntiAffinity(Struct):
    """Pods far from which the pod must and should run."""

    required_during_scheduling_ignored_during_execution: Annotated[list[PodAffinityTerm], F(1, "Must hold.")] = []
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodAffinityTerm], F(2, "Makes a node better.")
    ] = []


class Affinity(Struct):
    """Wishes about nodes and neighbours."""

    node_affinity: Annotated[NodeAffinity | None, F(1, "Which nodes.")] = None
    pod_affinity: Annotated[PodAffinity | None, F(2, "Near which pods.")] = None
    pod_anti_affinity: Annotated[PodAntiAffinity | None, F(3, "Far from which pods.")] = None


class Toleration(Struct):
    """Lets a pod run on a node in spite of a taint."""

    key: Annotated[str, F(1, "Key of the taint; empty with Exists for all.")] = ""
    operator: Annotated[str, F(2, "Equal by default.", enum=("", "Equal", "Exists"))] = ""
    value: Annotated[str, F(3, "Value of the taint, for Equal.")] = ""
    effect: Annotated[str, F(4, "Effect of the taint; empty for all.", enum=("", *TAINT_EFFECTS))] = ""
    toleration_seconds: Annotated[Int64 | None, F(5, "How long, for NoExecute; for ever by default.")] = None


class TopologySpreadConstraint(Struct):
    """How evenly matching pods are spread."""

    max_skew: Annotated[Int32, F(1, "Greatest difference between places.", listed=True, minimum=1)] = 0
    topology_key: Annotated[str, F(2, "Node label whose value names a place.", required="can not be empty")] = ""
    when_unsatisfiable: Annotated[
        str, F(3, "Refuse, or do it anyway.", listed=True, enum=("DoNotSchedule", "ScheduleAnyway"))
    ] = ""
    label_selector: Annotated[LabelSelector | None, F(4, "Which pods are counted.")] = None
    min_domains: Annotated[Int32 | None, F(5, "Least number of places.", minimum=1)] = None
    node_affinity_policy: Annotated[
        str | None, F(6, "Whether nodes that the pod cannot use count.", enum=("Honor", "Ignore"))
    ] = None
    node_taints_policy: Annotated[str | None, F(7, "Whether tainted nodes count.", enum=("Honor", "Ignore"))] = None
    match_label_keys: Annotated[list[str], F(8, "Labels of the pod itself that must be equal.")] = []
