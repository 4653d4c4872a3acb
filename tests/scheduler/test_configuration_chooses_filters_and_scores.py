"""The configuration file: what it chooses, and how it is refused."""

from pathlib import Path
from typing import Any

import pytest

from master.scheduler.config import Config
from master.scheduler.configuration import ConfigurationError, parse, profiles_of
from master.scheduler.filters import FILTERS
from master.scheduler.profile import Profile
from master.scheduler.scores import SCORES
from tests.scheduler.made import choose, cluster, node, pod


def written(plugins: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    profile = {} if plugins is None else {"profiles": [{"plugins": plugins}]}
    return {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", **profile, **more}


def profile(plugins: dict[str, Any] | None = None, **more: Any) -> Profile:
    (found,) = profiles_of(parse(written(plugins, **more))).values()
    return found


def test_an_empty_file_is_the_default() -> None:
    assert profile().filters == FILTERS
    assert [(score.name, weight) for score, weight in profile().scores] == [(one.name, one.weight) for one in SCORES]


@pytest.mark.parametrize(
    ("plugins", "filters", "scores"),
    [
        ({"filter": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodePorts"}]}}, {"NodePorts"}, None),
        ({"filter": {"disabled": [{"name": "NodePorts"}]}}, {one.name for one in FILTERS} - {"NodePorts"}, None),
        (
            {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 7}]}},
            None,
            {"ImageLocality": 7},
        ),
        (
            {"multiPoint": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeAffinity"}]}},
            {"NodeAffinity"},
            {"NodeAffinity": 2},
        ),
        (
            {
                "multiPoint": {"disabled": [{"name": "*"}]},
                "score": {"enabled": [{"name": "NodeAffinity", "weight": 4}]},
            },
            set(),
            {"NodeAffinity": 4},
        ),
    ],
)
def test_filters_and_scores_are_chosen_by_name(
    plugins: dict[str, Any], filters: set[str] | None, scores: dict[str, int] | None
) -> None:
    chosen = profile(plugins)
    assert {one.name for one in chosen.filters} == (filters if filters is not None else {one.name for one in FILTERS})
    default = {one.name: one.weight for one in SCORES}
    assert {score.name: weight for score, weight in chosen.scores} == (scores if scores is not None else default)


def test_what_is_chosen_decides() -> None:
    there = cluster(node("a"), a=[pod("x", cpu="3")])
    assert not choose(pod(cpu="2"), there).node
    careless = profile({"filter": {"disabled": [{"name": "NodeResourcesFit"}]}})
    assert choose(pod(cpu="2"), there, profile=careless).node == "a"
    image = [{"names": ["web:1"], "sizeBytes": 300 * 2**20}]
    there = cluster(node("a"), node("b", images=image), b=[pod("x", cpu="3", memory="6Gi")])
    assert choose(pod(cpu="1"), there).node == "a"
    images_only = profile({"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality"}]}})
    assert choose(pod(cpu="1"), there, profile=images_only).node == "b"


def test_times_and_shares_are_read() -> None:
    chosen = profile(podInitialBackoffSeconds=2, podMaxBackoffSeconds=60, percentageOfNodesToScore=50)
    assert (chosen.initial_backoff_s, chosen.max_backoff_s) == (2, 60)
    assert [chosen.sample(nodes) for nodes in (10, 100, 1000)] == [10, 100, 500]
    assert [profile().sample(nodes) for nodes in (10, 100, 1000, 5000)] == [10, 100, 100, 100]
    assert profile(percentageOfNodesToScore=100).sample(5000) == 5000


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (written({"filter": {"enabled": [{"name": "NodePort"}]}}), "filter.enabled[0].name: unknown plugin 'NodePort'"),
        (written({"filter": {"enabled": [{"name": "ImageLocality"}]}}), "unknown plugin 'ImageLocality'; there are"),
        (written({"score": {"disabled": [{"name": "x"}]}}), "score.disabled[0].name: unknown plugin 'x'"),
        (written({"score": {"enabled": [{"name": "*"}]}}), "unknown plugin '*'"),
        (written({"multiPoint": {"enabled": [{"name": "Gang"}]}}), "unknown plugin 'Gang'"),
        (written({"bnd": {}}), "unknown field `bnd` - at `$.profiles[0].plugins`"),
        (written({"bind": {"disabled": [{"name": "*"}]}}), "plugins.bind: DefaultBinder cannot be left out"),
        (written({"bind": {"enabled": [{"name": "Mine"}]}}), "plugins.bind.enabled[0].name: unknown plugin 'Mine'"),
        (written(leaderElection={"leaderElected": True}), "unknown field `leaderElected` - at `$.leaderElection`"),
        (written(leaderElection={"resourceLock": "endpoints"}), "leaderElection.resourceLock: must be leases"),
        (written(percentageOfNodesToScore=101), "$.percentageOfNodesToScore"),
        (written({"score": {"enabled": [{"name": "ImageLocality", "weight": -1}]}}), "weight"),
        (written(podInitialBackoffSeconds=20), "podMaxBackoffSeconds: must not be less"),
        (written(profiles=[{}, {}]), "profiles[0].schedulerName: is needed"),
        (
            written(profiles=[{"schedulerName": "a"}, {"schedulerName": "a"}]),
            "profiles[1].schedulerName: a is the name",
        ),
        ({"apiVersion": "v1", "kind": "Pod"}, "must be KubeSchedulerConfiguration"),
        (None, "Expected `object`"),
        ({}, "missing required field"),
    ],
)
def test_what_is_not_known_is_refused(document: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(document)
    assert said in str(caught.value)


def test_the_settings_are_checked_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"
    config = Config(configuration=file)
    assert "No such file" in config.check()[0]
    file.write_text("a: [")
    assert str(file) in config.check()[0]
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
    file.write_text(head)
    assert config.check() == []
    file.write_text(head + "profiles:\n- schedulerName: other\n")
    assert config.check() == []
    file.write_text(head + "leaderElection: {leaseDuration: 15s, renewDeadline: 20s}\n")
    assert config.check() == ["leader-elect-lease-duration-s: must be greater than the renew deadline"]
    file.write_text(head + "leaderElection: {leaseDuration: fifteen}\n")
    assert "leaderElection.leaseDuration: 'fifteen' is no duration" in config.check()[0]
