"""An eviction asks the disruption budget of its pod, and takes one allowance off it, once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests_apiserver import Answer, Api, pod

READY = {"type": "Ready", "status": "True"}


class Budgeted:
    """Pods on a node that does not exist, and a budget whose status the test writes as its controller would."""

    def __init__(self, admin: Api, namespace: str) -> None:
        self.admin = admin
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"

    def pod(self, name: str, *, phase: str = "Running", ready: bool = True) -> None:
        made = pod(name, nodeName="nowhere")
        made["metadata"]["labels"] = {"app": "web"}
        assert self.admin.post(self.pods, made).status == 201
        status = {"phase": phase, "conditions": [READY] if ready else []}
        assert self.admin.patch(f"{self.pods}/{name}/status", {"status": status}).status == 200

    def budget(self, name: str = "web", *, status: dict[str, Any] | None = None, **spec: Any) -> None:
        spec = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1, **spec}
        assert self.admin.post(self.budgets, {"metadata": {"name": name}, "spec": spec}).status == 201
        if status is not None:
            told = {"observedGeneration": 1, "expectedPods": 2, "desiredHealthy": 1, **status}
            assert self.admin.patch(f"{self.budgets}/{name}/status", {"status": told}, "merge").status == 200

    def status(self, name: str = "web") -> Any:
        return self.admin.get(f"{self.budgets}/{name}").json["status"]

    def evict(self, name: str, query: str = "", **options: Any) -> Answer:
        body: dict[str, Any] = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        return self.admin.post(
            f"{self.pods}/{name}/eviction{query}", body | ({"deleteOptions": options} if options else {})
        )

    def is_going(self, name: str) -> bool:
        found = self.admin.get(f"{self.pods}/{name}")
        return found.status == 404 or "deletionTimestamp" in found.json["metadata"]


@pytest.fixture
def budgeted(admin: Api, namespace: str) -> Budgeted:
    return Budgeted(admin, namespace)


def test_a_budget_without_allowance_refuses_and_says_why(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    budgeted.budget(status={"currentHealthy": 1, "disruptionsAllowed": 0})
    refused = budgeted.evict("a")
    assert refused.status == 429
    assert refused.json["reason"] == "TooManyRequests"
    assert refused.json["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
    }
    assert refused.json["details"]["causes"] == [cause]
    assert "Retry-After" not in refused.headers, "clients that obey it would ask ten times before they tell of it"
    assert not budgeted.is_going("a")


def test_a_budget_nobody_looked_at_yet_refuses_for_a_while(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    budgeted.budget()
    refused = budgeted.evict("a")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    (cause,) = refused.json["details"]["causes"]
    assert cause["message"] == "The disruption budget web is still being processed by the server."


def test_of_many_evictions_at_once_only_the_allowed_go_through(budgeted: Budgeted) -> None:
    names = [f"p{number}" for number in range(8)]
    for name in names:
        budgeted.pod(name)
    budgeted.budget(status={"currentHealthy": 8, "disruptionsAllowed": 3, "expectedPods": 8, "desiredHealthy": 5})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: budgeted.evict(name).status, names))
    assert sorted(answers) == [201] * 3 + [429] * 5
    went = {name for name, answer in zip(names, answers, strict=True) if answer == 201}
    assert {name for name in names if budgeted.is_going(name)} == went
    status = budgeted.status()
    assert (status["disruptionsAllowed"], set(status["disruptedPods"])) == (0, went)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("DisruptionAllowed", "False")
    assert condition["reason"] == "InsufficientPods"


def test_an_evicted_pod_tells_why_it_goes(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    assert budgeted.evict("a").status == 201
    conditions = budgeted.admin.get(f"{budgeted.pods}/a").json["status"]["conditions"]
    told = next(one for one in conditions if one["type"] == "DisruptionTarget")
    assert (told["status"], told["reason"]) == ("True", "EvictionByEvictionAPI")


def test_a_dry_run_is_judged_and_takes_nothing(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    budgeted.budget(status={"currentHealthy": 2, "disruptionsAllowed": 1})
    assert budgeted.evict("a", "?dryRun=All").status == 201
    assert budgeted.evict("a", dryRun=["All"]).status == 201
    assert budgeted.status()["disruptionsAllowed"] == 1
    assert not budgeted.is_going("a")


@pytest.mark.parametrize("phase", ["Pending", "Failed"])
def test_a_pod_that_serves_nobody_needs_no_allowance(budgeted: Budgeted, phase: str) -> None:
    budgeted.pod("a", phase=phase, ready=False)
    budgeted.budget(status={"currentHealthy": 0, "disruptionsAllowed": 0})
    assert budgeted.evict("a").status == 201


@pytest.mark.parametrize(
    ("policy", "healthy", "answer"),
    [
        (None, 1, 201),
        (None, 0, 429),
        ("IfHealthyBudget", 0, 429),
        ("AlwaysAllow", 0, 201),
    ],
)
def test_a_pod_that_is_not_ready_goes_by_the_policy(
    budgeted: Budgeted, policy: str | None, healthy: int, answer: int
) -> None:
    budgeted.pod("a", ready=False)
    spec = {} if policy is None else {"unhealthyPodEvictionPolicy": policy}
    budgeted.budget(status={"currentHealthy": healthy, "disruptionsAllowed": 0}, **spec)
    assert budgeted.evict("a").status == answer
    assert budgeted.is_going("a") == (answer == 201)


def test_preconditions_are_checked_before_the_budget_is_charged(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    budgeted.budget(status={"currentHealthy": 2, "disruptionsAllowed": 1})
    assert budgeted.evict("a", preconditions={"uid": "another"}).status == 409
    assert budgeted.status()["disruptionsAllowed"] == 1


def test_two_budgets_of_one_pod_refuse_it(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    for name in ("one", "two"):
        budgeted.budget(name, status={"currentHealthy": 2, "disruptionsAllowed": 1})
    refused = budgeted.evict("a")
    assert refused.status == 500
    assert refused.json["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )


def test_an_empty_selector_means_every_pod_or_none_by_version(budgeted: Budgeted) -> None:
    budgeted.pod("a")
    older = budgeted.budgets.replace("policy/v1", "policy/v1beta1")
    none = {"metadata": {"name": "none"}, "spec": {"selector": {}, "minAvailable": 1}}
    assert budgeted.admin.post(older, none).status == 201
    assert budgeted.evict("a", "?dryRun=All").status == 201
    budgeted.budget("all", selector={})
    assert budgeted.evict("a", "?dryRun=All").status == 429


def test_an_eviction_is_of_the_version_that_it_says_and_not_of_one_that_it_mentions(budgeted: Budgeted) -> None:
    for version in ("policy/v1", "policy/v1beta1"):
        budgeted.pod("a")
        metadata = {"name": "a", "annotations": {"was": "policy/v1beta1", "is": "policy/v1"}}
        body = {"apiVersion": version, "kind": "Eviction", "metadata": metadata}
        done = budgeted.admin.post(f"{budgeted.pods}/a/eviction", body)
        assert done.status == 201, done.json
        assert budgeted.admin.delete(f"{budgeted.pods}/a?gracePeriodSeconds=0").status in (200, 404)
    body = {"apiVersion": "policy/v2", "kind": "Eviction", "metadata": {"name": "a"}}
    refused = budgeted.admin.post(f"{budgeted.pods}/a/eviction", body)
    assert (refused.status, "policy/v2" in refused.json["message"]) == (400, True)
