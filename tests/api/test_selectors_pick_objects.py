"""Label and field selectors: both forms, their text, and where they go wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequest
from api.meta import LabelSelector, LabelSelectorRequirement
from api.selectors import EVERYTHING, NOTHING, FieldTerm, from_label_selector, from_map, parse, parse_fields

PRODUCTION = {"environment": "production", "tier": "backend"}
FRONTEND = {"environment": "production", "tier": "frontend"}
QA = {"environment": "qa", "partition": "east"}
BARE: dict[str, str] = {}
ALL = {"production": PRODUCTION, "frontend": FRONTEND, "qa": QA, "bare": BARE}


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("", "production frontend qa bare"),
        ("  ", "production frontend qa bare"),
        ("environment = production", "production frontend"),
        ("environment==production", "production frontend"),
        ("tier != frontend", "production qa bare"),
        ("environment = production, tier != frontend", "production"),
        ("environment in (production, qa)", "production frontend qa"),
        ("environment in (qa)", "qa"),
        ("tier notin (frontend, backend)", "qa bare"),
        ("partition", "qa"),
        ("!partition", "production frontend bare"),
        ("! partition", "production frontend bare"),
        ("partition,environment in (qa),tier notin (x)", "qa"),
        ("environment in (production),!partition,tier!=backend", "frontend"),
        ("partition=", ""),
        ("environment in (,qa)", "qa"),
        ("in in (notin)", ""),
        ("example.com/role=a", ""),
    ],
)
def test_a_selector_picks(text: str, picked: str) -> None:
    selector = parse(text)
    assert [name for name, labels in ALL.items() if selector.matches(labels)] == picked.split()
    assert parse(str(selector)) == selector


def test_numbers_are_compared_as_numbers() -> None:
    assert parse("cores > 9").matches({"cores": "10"})
    assert not parse("cores > 9").matches({"cores": "9"})
    assert parse("cores<9").matches({"cores": "-1"})
    assert not parse("cores<9").matches({"cores": "few"})
    assert not parse("cores>1").matches({"cores": "1_0"})
    assert not parse("cores>1").matches({})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,", "expected: identifier after ','"),
        (",a", "found ','"),
        ("a,,b", "found ','"),
        ("a b", "found 'b', expected: ',' or end of string"),
        ("a=b=c", "found '='"),
        ("a in b", "expected: '('"),
        ("a in", "expected: '('"),
        ("a in (b", "expected: ',' or ')'"),
        ("a in (b c)", "expected: ',' or ')'"),
        ("a in ()", "values set can't be empty"),
        ("=b", "expected: identifier"),
        ("!", "expected: identifier"),
        ("!a=b", "found '='"),
        ("-a", "invalid label key '-a'"),
        ("a/b/c", "invalid label key"),
        ("Example.com/a", "invalid label key"),
        ("a=-b", "invalid label value '-b'"),
        ("a=" + "x" * 64, "invalid label value"),
        ("a>b", "must be an integer"),
        ("a>", "must be an integer"),
        ("a>1_0", "must be an integer"),
        ("a>" + "9" * 5000, "must be an integer"),
        ("a in (" + "b,(" * 10, "expected"),
    ],
)
def test_a_malformed_selector_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(text)
    assert caught.value.message.startswith("unable to parse requirement: ")
    assert complaint in caught.value.message


def test_a_selector_has_a_bounded_number_of_terms() -> None:
    with pytest.raises(BadRequest, match="more than 1000 terms"):
        parse(",".join("a" for _ in range(1001)))


@given(st.text("ab=!,() <>in.-/", max_size=30))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        selector = parse(text)
    except BadRequest:
        return
    assert parse(str(selector)) == selector


def test_a_map_and_its_text_are_one_selector() -> None:
    assert from_map({"b": "2", "a": "1"}) == parse("a=1,b=2")
    assert from_map({}).matches(QA)


def test_a_label_selector_joins_labels_and_expressions() -> None:
    selector = LabelSelector(
        match_labels={"environment": "production"},
        match_expressions=[
            LabelSelectorRequirement(key="tier", operator="NotIn", values=["frontend"]),
            LabelSelectorRequirement(key="partition", operator="DoesNotExist"),
            LabelSelectorRequirement(key="tier", operator="Exists"),
            LabelSelectorRequirement(key="environment", operator="In", values=["production", "qa"]),
        ],
    )
    assert [name for name, labels in ALL.items() if from_label_selector(selector).matches(labels)] == ["production"]


def test_no_label_selector_is_nothing_and_an_empty_one_everything() -> None:
    assert from_label_selector(None) == NOTHING
    assert from_label_selector(LabelSelector()) == EVERYTHING
    assert not any(NOTHING.matches(labels) for labels in ALL.values())
    assert all(EVERYTHING.matches(labels) for labels in ALL.values())


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("status.phase=Running", (FieldTerm("status.phase", "Running"),)),
        ("status.phase==Running", (FieldTerm("status.phase", "Running"),)),
        ("spec.nodeName!=a", (FieldTerm("spec.nodeName", "a", equal=False),)),
        ("spec.nodeName=", (FieldTerm("spec.nodeName", ""),)),
        (
            "metadata.name=a, status.phase != Failed",
            (FieldTerm("metadata.name", "a"), FieldTerm("status.phase", "Failed", equal=False)),
        ),
        (
            "involvedObject.fieldPath=spec.containers{redis}",
            (FieldTerm("involvedObject.fieldPath", "spec.containers{redis}"),),
        ),
    ],
)
def test_a_field_selector_is_read(text: str, terms: tuple[FieldTerm, ...]) -> None:
    assert parse_fields(text) == terms


@pytest.mark.parametrize("text", ["status.phase", "=a", "!a", "a>1"])
def test_a_malformed_field_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="invalid field selector"):
        parse_fields(text)
