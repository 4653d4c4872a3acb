"""The evaluator, by tables and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.rbac import PolicyRule
from api.rules import names_allowed, path_allowed, shown, uncovered


def rule(verbs: str, group: str, resources: str, names: str = "") -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(), api_groups=[group], resources=resources.split(), resource_names=names.split()
    )


@pytest.mark.parametrize(
    ("held", "verb", "group", "resource", "name", "allowed"),
    [
        (rule("get", "", "pods"), "get", "", "pods", "a", True),
        (rule("get", "", "pods"), "list", "", "pods", "", False),
        (rule("get", "", "pods"), "get", "apps", "pods", "a", False),
        (rule("get", "", "pods"), "get", "", "pods/log", "a", False),
        (rule("get", "", "pods/log"), "get", "", "pods/log", "a", True),
        (rule("get", "", "pods/log"), "get", "", "pods", "a", False),
        (rule("*", "*", "*"), "delete", "apps", "deployments/scale", "a", True),
        (rule("update", "apps", "*/scale"), "update", "apps", "deployments/scale", "a", True),
        (rule("update", "apps", "*/scale"), "update", "apps", "deployments", "a", False),
        (rule("get", "", "secrets", "mine other"), "get", "", "secrets", "mine", True),
        (rule("get", "", "secrets", "mine"), "get", "", "secrets", "yours", False),
        (rule("list", "", "secrets", "mine"), "list", "", "secrets", "", False),
        (rule("create", "", "secrets", "mine"), "create", "", "secrets", "", False),
        (PolicyRule(verbs=["get"], non_resource_urls=["/pods"]), "get", "", "pods", "", False),
    ],
)
def test_a_rule_allows_what_it_names(
    held: PolicyRule, verb: str, group: str, resource: str, name: str, allowed: bool
) -> None:
    assert names_allowed([held], verb, group, resource).hold(name) is allowed


@pytest.mark.parametrize(
    ("urls", "path", "allowed"),
    [
        (["/metrics"], "/metrics", True),
        (["/metrics"], "/metrics/x", False),
        (["/metrics/*"], "/metrics/x/y", True),
        (["/metrics/*"], "/metrics", False),
        (["*"], "/anything", True),
        ([], "/", False),
    ],
)
def test_a_path_may_end_in_a_star(urls: list[str], path: str, allowed: bool) -> None:
    rules = [PolicyRule(verbs=["get"], non_resource_urls=urls)]
    assert path_allowed(rules, "get", path) is allowed
    assert not path_allowed(rules, "post", path)


def test_what_one_does_not_hold_is_named_piece_by_piece() -> None:
    held = [rule("get list", "", "pods"), rule("get", "", "secrets", "mine")]
    assert uncovered(held, [rule("get list", "", "pods")]) == []
    assert uncovered(held, [rule("get", "", "secrets", "mine")]) == []
    assert uncovered(held, [rule("get", "", "secrets")]) == [rule("get", "", "secrets")]
    missing = uncovered(held, [rule("get delete", "", "pods secrets")])
    assert [shown(one) for one in missing] == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["delete"]}',
    ]


def test_several_rules_together_cover_what_no_one_of_them_does() -> None:
    held = [rule("get", "", "pods"), rule("list", "", "pods")]
    assert uncovered(held, [rule("get list", "", "pods")]) == []


def test_rules_beyond_all_measure_are_refused_and_not_worked_out() -> None:
    many = " ".join(f"r{number}" for number in range(2000))
    with pytest.raises(ValueError, match="20000"):
        uncovered([], [rule(many, "", many)])


def test_rules_held_already_do_not_make_the_next_ones_dear() -> None:
    held = [rule("get", "", f"r{number}") for number in range(10_000)]
    with pytest.raises(ValueError, match="comparisons"):
        uncovered(held, [rule("get", "", f"s{number}") for number in range(10_000)])


_words = st.lists(st.sampled_from(["get", "list", "pods", "secrets", "a", "b", "*"]), min_size=1, max_size=3)
_rules = st.lists(
    st.builds(
        PolicyRule,
        verbs=_words,
        api_groups=st.just([""]),
        resources=_words,
        resource_names=st.lists(st.sampled_from(["x", "y"]), max_size=2),
    ),
    max_size=4,
)


@given(_rules, _rules)
def test_one_who_is_given_only_what_the_giver_holds_can_do_no_more(
    held: list[PolicyRule], wanted: list[PolicyRule]
) -> None:
    if uncovered(held, wanted):
        return
    for verb in ("get", "list", "other"):
        for resource in ("pods", "secrets", "pods/log"):
            for name in ("", "x", "y", "z"):
                if names_allowed(wanted, verb, "", resource).hold(name):
                    assert names_allowed(held, verb, "", resource).hold(name)
