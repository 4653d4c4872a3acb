"""Configuration files as people have them for Kubernetes' scheduler: several profiles, arguments, and what is told."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.core import Event, Pod
from client import Client
from master.scheduler.config import Config
from master.scheduler.configuration import Configuration, ConfigurationError, idle, parse, profiles_of
from master.scheduler.decision import Chooser
from master.scheduler.filters import FILTERS
from master.scheduler.looking import view_of
from master.scheduler.preemption import plan
from master.scheduler.profile import Profile
from master.scheduler.scores import SCORES
from master.scheduler.wish import Wish
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.made import choose, cluster, node, pod
from tests.scheduler.running import empty, join, node_of, reasons, scheduler

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

# As kube-scheduler writes out its defaults, shortened; and the example of its documentation for several profiles.
WHOLE = """
clientConnection: {acceptContentTypes: "", burst: 100, contentType: application/vnd.kubernetes.protobuf,
  kubeconfig: /etc/kubernetes/scheduler.conf, qps: 50}
enableContentionProfiling: true
enableProfiling: true
leaderElection: {leaderElect: true, leaseDuration: 15s, renewDeadline: 10s, resourceLock: leases,
  resourceName: kube-scheduler, resourceNamespace: kube-system, retryPeriod: 2s}
parallelism: 16
percentageOfNodesToScore: 0
podInitialBackoffSeconds: 1
podMaxBackoffSeconds: 10
profiles:
- schedulerName: default-scheduler
  pluginConfig:
  - name: DefaultPreemption
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: DefaultPreemptionArgs, minCandidateNodesAbsolute: 100,
      minCandidateNodesPercentage: 10}
  - name: InterPodAffinity
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: InterPodAffinityArgs, hardPodAffinityWeight: 1,
      ignorePreferredTermsOfExistingPods: false}
  - name: NodeAffinity
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeAffinityArgs}
  - name: NodeResourcesBalancedAllocation
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeResourcesBalancedAllocationArgs,
      resources: [{name: cpu, weight: 1}, {name: memory, weight: 1}]}
  - name: NodeResourcesFit
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeResourcesFitArgs, scoringStrategy: {
      resources: [{name: cpu, weight: 1}, {name: memory, weight: 1}], type: LeastAllocated}}
  - name: PodTopologySpread
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: PodTopologySpreadArgs, defaultingType: System}
  - name: VolumeBinding
    args: {apiVersion: kubescheduler.config.k8s.io/v1, kind: VolumeBindingArgs, bindTimeoutSeconds: 600}
  plugins:
    bind: {}
    filter: {}
    multiPoint:
      enabled:
      - {name: SchedulingGates, weight: 0}
      - {name: PrioritySort, weight: 0}
      - {name: NodeUnschedulable, weight: 0}
      - {name: NodeName, weight: 0}
      - {name: TaintToleration, weight: 3}
      - {name: NodeAffinity, weight: 2}
      - {name: NodePorts, weight: 0}
      - {name: NodeResourcesFit, weight: 1}
      - {name: VolumeRestrictions, weight: 0}
      - {name: VolumeBinding, weight: 0}
      - {name: PodTopologySpread, weight: 2}
      - {name: InterPodAffinity, weight: 2}
      - {name: DefaultPreemption, weight: 0}
      - {name: NodeResourcesBalancedAllocation, weight: 1}
      - {name: ImageLocality, weight: 1}
      - {name: DefaultBinder, weight: 0}
      disabled:
      - {name: NodeVolumeLimits}
    permit: {}
    queueSort: {}
- schedulerName: no-scoring-scheduler
  plugins:
    preScore: {disabled: [{name: "*"}]}
    score: {disabled: [{name: "*"}]}
"""


LIST = {"defaultingType": "List"}
ZONES = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def profiles(text: str) -> dict[str, Profile]:
    return profiles_of(read(text))


def read(text: str) -> Configuration:
    return parse(yaml.safe_load(HEAD + text))


def with_args(name: str, args: dict[str, Any]) -> Profile:
    document = {**yaml.safe_load(HEAD), "profiles": [{"pluginConfig": [{"name": name, "args": args}]}]}
    return profiles_of(parse(document))["default-scheduler"]


def test_a_whole_file_of_kubernetes_is_taken() -> None:
    found = profiles(WHOLE)
    default, plain = found["default-scheduler"], found["no-scoring-scheduler"]
    assert default.filters == FILTERS
    assert [(score.name, weight) for score, weight in default.scores] == [(one.name, one.weight) for one in SCORES]
    assert (plain.filters, plain.scores) == (FILTERS, ())
    assert idle(read(WHOLE)) == [
        "parallelism", "enableProfiling", "enableContentionProfiling", "clientConnection.contentType",
        "clientConnection.qps", "clientConnection.burst", "profiles[0].pluginConfig VolumeBinding",
        "profiles[1].plugins.preScore",
    ]  # fmt: skip


def test_the_election_and_the_connection_follow_the_file(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"
    file.write_text(HEAD + WHOLE)
    config = Config(configuration=file)
    assert config.check() == []
    config = config.with_file(config.read_configuration())
    times = (config.leader_elect_lease_duration_s, config.leader_elect_renew_deadline_s)
    assert (times, config.leader_elect_retry_period_s) == ((15.0, 10.0), 2.0)
    assert str(config.kubeconfig) == "/etc/kubernetes/scheduler.conf"


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("Gang", {}, "pluginConfig[0].name: 'Gang' takes no arguments; those that do are"),
        ("NodeResourcesFit", {"kind": "NodeAffinityArgs"}, "pluginConfig[0].args.kind: must be NodeResourcesFitArgs"),
        ("NodeResourcesFit", {"strategy": {}}, "args: Object contains unknown field `strategy`"),
        (
            "NodeResourcesFit",
            {"scoringStrategy": {"type": "Most"}},
            "Invalid enum value 'Most' - at `$.scoringStrategy",
        ),
        ("NodeResourcesFit", {"scoringStrategy": {"type": "RequestedToCapacityRatio"}}, "CapacityRatio: is missing"),
        (
            "NodeResourcesFit",
            {"scoringStrategy": {"resources": [{"name": "cpu", "weight": 0}]}},
            "resources[0].weight",
        ),
        ("NodeResourcesBalancedAllocation", {"resources": [{"name": "cpu", "weight": 2}]}, "each weight must be 1"),
        ("InterPodAffinity", {"hardPodAffinityWeight": 101}, "$.hardPodAffinityWeight"),
        ("PodTopologySpread", {"defaultConstraints": [{"maxSkew": 1}]}, "$.defaultConstraints"),
        ("PodTopologySpread", {"defaultConstraints": [ZONES]}, "args.defaultConstraints: are only taken with"),
        ("PodTopologySpread", {**LIST, "defaultConstraints": [ZONES, ZONES]}, "defaultConstraints[1]: zone with"),
        ("PodTopologySpread", {**LIST, "defaultConstraints": [{**ZONES, "maxSkew": 0}]}, "[0].maxSkew"),
        ("PodTopologySpread", {**LIST, "defaultConstraints": [{**ZONES, "labelSelector": {}}]}, "`labelSelector`"),
        (
            "PodTopologySpread",
            {**LIST, "defaultConstraints": [{**ZONES, "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}]},
            "defaultConstraints[0].minDomains: is only taken with DoNotSchedule",
        ),
        ("DefaultPreemption", {"minCandidateNodesPercentage": -1}, "$.minCandidateNodesPercentage"),
    ],
)
def test_wrong_arguments_are_named(name: str, args: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_args(name, args)
    assert said in str(caught.value)


def strategy(kind: str, **more: Any) -> Profile:
    return with_args("NodeResourcesFit", {"scoringStrategy": {"type": kind, **more}})


def test_pods_are_packed_or_spread_as_told() -> None:
    there = cluster(node("a"), node("b"), a=[pod("x", cpu="1", memory="2Gi")])
    assert choose(pod(cpu="1", memory="2Gi"), there).node == "b"
    assert choose(pod(cpu="1", memory="2Gi"), there, profile=strategy("MostAllocated")).node == "a"
    # Best half full: a would be, b would not; and beyond that it is as bad as empty.
    shape = {
        "shape": [{"utilization": 0, "score": 0}, {"utilization": 50, "score": 10}, {"utilization": 100, "score": 0}]
    }
    half = strategy("RequestedToCapacityRatio", requestedToCapacityRatio=shape)
    assert choose(pod(cpu="1", memory="2Gi"), there, profile=half).node == "a"
    assert choose(pod(cpu="2500m", memory="5Gi"), there, profile=half).node == "b"


def test_a_rare_resource_can_decide() -> None:
    room = {"room": {"example.com/gpu": "4"}}
    there = cluster(node("a", **room), node("b", **room), a=[pod("x", gpu="2")], b=[pod("y", cpu="3", memory="6Gi")])
    wanted = [{"name": "example.com/gpu", "weight": 100}, {"name": "cpu", "weight": 1}]
    assert choose(pod(gpu="1"), there).node == "a"
    assert choose(pod(gpu="1"), there, profile=strategy("LeastAllocated", resources=wanted)).node == "b"


def test_packing_sees_a_node_that_another_kind_of_pod_filled_since() -> None:
    there = cluster(*(node(f"n{number}") for number in range(5)))
    chooser = Chooser(there, strategy("MostAllocated"))
    for number in range(3):
        # What was found out for the first holds for the next of its kind.
        there.place(wish := Wish.of(pod(f"s{number}", owner="o", cpu="100m")), chooser.choose(wish).node)
        there.remove(wish.uid)
    for name in there.nodes:
        room = {"cpu": "3", "memory": "6Gi"} if name == "n3" else {"cpu": "2", "memory": "4Gi"}
        there.place(Wish.of(pod(f"big-{name}", **room)), name)
    assert chooser.choose(Wish.of(pod("last", owner="o", cpu="100m"))).node == "n3"


def test_ignored_resources_are_somebody_elses() -> None:
    there = cluster(node("a"))
    assert not choose(pod(gpu="1"), there).node
    for args in ({"ignoredResources": ["example.com/gpu"]}, {"ignoredResourceGroups": ["example.com"]}):
        ignoring = with_args("NodeResourcesFit", args)
        assert choose(pod(gpu="1"), there, profile=ignoring).node == "a"
        assert (
            choose(pod(gpu="1", cpu="5"), there, profile=ignoring).reason
            == "0/1 nodes are available: 1 Insufficient cpu."
        )


def test_balance_can_be_of_other_resources() -> None:
    room = {"room": {"example.com/gpu": "4"}}
    there = cluster(node("a", **room), node("b", **room), a=[pod("x", gpu="2")], b=[pod("y", cpu="2", memory="4Gi")])
    args = {"resources": [{"name": "cpu"}, {"name": "example.com/gpu"}]}
    only = {
        "plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesBalancedAllocation"}]}}
    }
    document = {
        **yaml.safe_load(HEAD),
        "profiles": [{**only, "pluginConfig": [{"name": "NodeResourcesBalancedAllocation", "args": args}]}],
    }
    (balanced,) = profiles_of(parse(document)).values()
    assert choose(pod(gpu="2", cpu="100m"), there, profile=balanced).node == "b"


def test_an_affinity_can_be_added_to_all_pods() -> None:
    there = cluster(node("a", labels={"team": "x"}), node("b"))
    term = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["x"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    mine = with_args("NodeAffinity", {"addedAffinity": required})
    assert {choose(pod(f"p{number}"), there, profile=mine).node for number in range(5)} == {"a"}
    said = choose(pod(nodeSelector={"no": "such"}), there, profile=mine).reason
    assert "1 node(s) didn't match scheduler-enforced node affinity" in said
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}
    liking = with_args("NodeAffinity", {"addedAffinity": preferred})
    assert {choose(pod(f"p{number}"), there, profile=liking).node for number in range(5)} == {"a"}


def test_what_others_need_or_like_weighs_as_told() -> None:
    def affinity(**parts: Any) -> dict[str, Any]:
        return {"podAffinity": parts}

    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    needs = affinity(requiredDuringSchedulingIgnoredDuringExecution=[term])
    likes = affinity(preferredDuringSchedulingIgnoredDuringExecution=[{"weight": 10, "podAffinityTerm": term}])
    there = cluster(node("a"), node("b"), a=[pod("x", affinity=needs)], b=[pod("y", affinity=likes)])
    wish = Wish.of(pod("w", labels={"app": "web"}))

    def weights(**args: Any) -> list[int]:
        tuning = with_args("InterPodAffinity", args).tuning
        view = view_of(wish, there, hard_affinity=tuning.hard_affinity, others_wishes=tuning.others_wishes)
        return sorted(one.weight for one in view.wishes)

    assert weights() == [1, 10]
    assert weights(hardPodAffinityWeight=50) == [10, 50]
    assert weights(hardPodAffinityWeight=0) == [10]
    assert weights(ignorePreferredTermsOfExistingPods=True) == [1]


def test_pods_of_a_controller_are_not_spread_when_a_list_says_so() -> None:
    names = [score.name for score, _ in with_args("PodTopologySpread", {"defaultingType": "List"}).scores]
    assert names == [one.name for one in SCORES if one.name != "SelectorSpread"]


@pytest.mark.parametrize("point", ["postFilter", "multiPoint"])
def test_preemption_can_be_left_out(point: str) -> None:
    document = {
        **yaml.safe_load(HEAD),
        "profiles": [{"plugins": {point: {"disabled": [{"name": "DefaultPreemption"}]}}}],
    }
    (gentle,) = profiles_of(parse(document)).values()
    there = cluster(node("a"), a=[pod("x", cpu="4", priority=1)])
    for profile, expected in ((Profile(), "a"), (gentle, "")):
        wish, chooser = Wish.of(pod("y", cpu="4", priority=2)), Chooser(there, profile)
        refusals = chooser.choose(wish).refusals
        assert plan(wish, there, profile, refusals, chooser.refusal).node == expected


def test_each_pod_is_placed_by_the_profile_that_it_names(
    master: Master, admin: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: empty(admin))
    file = tmp_path / "scheduler.yaml"
    file.write_text(
        HEAD
        + """
profiles:
- schedulerName: spreading
- schedulerName: packing
  pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]
  plugins: {score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit}]}}
"""
    )
    for name in ("a", "b", "c"):
        join(admin, node(name))
    with scheduler(master, configuration=file):
        wanted = {"packing": "500m", "spreading": "100m", "other": "100m"}
        for number in range(3):
            for kind in wanted:
                admin.create(pod(f"{kind}-{number}", cpu=wanted[kind], schedulerName=kind))
            for kind in ("packing", "spreading"):
                until(lambda kind=kind, number=number: node_of(admin, f"{kind}-{number}"))
        assert len({node_of(admin, f"packing-{number}") for number in range(3)}) == 1
        assert len({node_of(admin, f"spreading-{number}") for number in range(3)}) > 1
        assert {admin.get(Pod, f"other-{number}", "default").spec.node_name for number in range(3)} == {""}
        for kind in ("packing", "spreading"):
            until(lambda kind=kind: reasons(admin, f"{kind}-0") == ["Scheduled"])
            (event,) = admin.list(Event, fields=f"involvedObject.name={kind}-0").items
            assert event.source.component == kind
