"""JSONPath templates, documents and pages, in the form in which kubectl prints them."""

import pytest

from cli.steer.describing.page import Page, duration
from cli.steer.output.documents import as_yaml
from cli.steer.output.jsonpath import PathError, path, template

PODS = {
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1, "ports": [80, 443]},
        {"metadata": {"name": "b"}, "n": 2, "on": True},
    ]
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[0:1].metadata.name}", "a"),
        ("{.items[:].n}", "1 2"),
        ("{$.items[1].on}", "true"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.n}{"\\n"}{end}', "a\t1\nb\t2\n"),
        ('{.items[?(@.metadata.name=="b")].n}', "2"),
        ("{.items[?(@.n>1)].metadata.name}", "b"),
        ("{.items[?(@.on)].n}", "2"),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
        ("{.items[0]['n','ports']}", "1 [80,443]"),
        ("{..name}", "a b"),
        ("{.items[0].metadata.labels}", '{"app.kubernetes.io/name":"x"}'),
        ("{.nothing.at.all}", ""),
        ("names: {.items[*].metadata.name}!", "names: a b!"),
    ],
)
def test_a_template_shows(text: str, shown: str) -> None:
    assert template(text).render(PODS) == shown


@pytest.mark.parametrize("text", ["{.items[0}", "{range .items[*]}{.n}", "{end}", "{items}", "{.items[x]}", "{.items"])
def test_a_template_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        template(text)


def test_an_index_that_is_not_there_is_told() -> None:
    with pytest.raises(PathError, match="array index out of bounds: index 7, length 2"):
        template("{.items[7].n}").render(PODS)


def test_columns_take_paths_with_and_without_braces() -> None:
    assert path(".items[*].n")(PODS) == path("{.items[*].n}")(PODS) == path("items[*].n")(PODS) == [1, 2]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("yes", '"yes"'),
        ("1", '"1"'),
        ("1e3", '"1e3"'),
        ("y", '"y"'),
        ("null", '"null"'),
        ("plain", "plain"),
        ("*", "'*'"),
        ("a: b", "'a: b'"),
        ("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
        ("a\nb\n", "|\n  a\n  b"),
        ("", '""'),
    ],
)
def test_a_text_that_would_be_read_as_something_else_is_quoted(value: str, shown: str) -> None:
    assert as_yaml({"key": value}) == f"key: {shown}\n"


def test_a_page_lines_up_what_stands_together() -> None:
    page = Page()
    page.field("Name", "web")
    page.labels("Labels", {"b": "2", "a": "1"})
    page.add("Containers:")
    page.field("Image", "x", 1)
    page.field("A longer name", "y", 1)
    assert page.text() == (
        "Name:    web\nLabels:  a=1\n         b=2\nContainers:\n  Image:          x\n  A longer name:  y\n"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (601, "10m"), (3 * 3600, "3h"), (3 * 3600 + 60, "3h1m"),
     (9 * 3600, "9h"), (49 * 3600, "2d1h"), (9 * 86400, "9d"), (800 * 86400, "2y70d")],
)  # fmt: skip
def test_ages_are_shortened(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
