"""Label and field selectors: both forms, their text, and where they go wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadRequest
from api.meta import LabelSelector, LabelSelectorRequirement
from api.selectors import (
    EVERYTHING,
    NOTHING,
    FieldTerm,
    Selector,
    Term,
    from_label_selector,
    from_map,
    parse,
    parse_fields,
)

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
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("-a", 'unable to parse requirement: invalid label key "-a": name part must consist of'),
        ("a/b/c", 'invalid label key "a/b/c": a qualified name must'),
        ("Example.com/a", 'invalid label key "Example.com/a": prefix part'),
        ("a=-b", 'unable to parse requirement: invalid label value: "-b": at key: "a": a valid label must be'),
        ("a=" + "x" * 64, "must be no more than 63 characters"),
        ("a in (b,-c)", 'invalid label value: "-c"'),
        ("a>b", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"),
        ("a>", "must be an integer"),
        ("a>1_0", "must be an integer"),
        ("a>" + "9" * 5000, "must be an integer"),
        ("a in (" + "b,(" * 10, "expected"),
    ],
)
def test_a_malformed_selector_is_refused_in_kubernetes_words(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(text)
    assert caught.value.message.startswith(complaint) or complaint in caught.value.message
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    ("text", "values"),
    [("a in ()", {""}), ("a in (,)", {""}), ("a in (b,)", {"b", ""}), ("a in (,b)", {"b", ""}), ("a in (in)", {"in"})],
)
def test_between_two_commas_stands_the_empty_value(text: str, values: set[str]) -> None:
    assert parse(text) == Selector((Term("a", "In", frozenset(values)),))


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
        (r"a=b\,c\=d\\,e!=", (FieldTerm("a", "b,c=d\\"), FieldTerm("e", "", equal=False))),
    ],
)
def test_a_field_selector_is_read(text: str, terms: tuple[FieldTerm, ...]) -> None:
    assert parse_fields(text) == terms


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("status.phase", "invalid selector: 'status.phase'; can't understand 'status.phase'"),
        ("=a", "invalid selector: '=a'; can't understand '=a'"),
        ("!a", "invalid selector: '!a'; can't understand '!a'"),
        ("a>1", "invalid selector: 'a>1'; can't understand 'a>1'"),
        ("b=c,a\\", "invalid selector: 'b=c,a\\'; can't understand 'a\\'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\n", "invalid field selector: invalid escape sequence: \\n"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_malformed_field_selector_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_fields(text)
    assert caught.value.message == complaint
