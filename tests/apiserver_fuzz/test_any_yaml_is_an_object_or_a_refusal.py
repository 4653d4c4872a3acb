"""YAML: bombs, aliases, tags, keys given twice, and the scalars of YAML 1.1 that people trip over."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from master.apiserver import yaml_bodies
from tests.apiserver_fuzz.documents import VALUES
from tests.apiserver_fuzz.live import HANG_S, Client

FUZZ = settings(settings.get_profile("fuzz"), max_examples=150)
CONFIGS = "/api/v1/namespaces/default/configmaps"


def _post(client: Client, text: str | bytes, query: str = "dryRun=All") -> Any:
    body = text.encode() if isinstance(text, str) else text
    return client.post(f"{CONFIGS}?{query}", body, Content_Type="application/yaml")


def _data(client: Client, scalar: str) -> Any:
    return _post(client, f"metadata: {{name: x}}\ndata:\n  a: {scalar}\n")


@pytest.mark.parametrize("scalar", ["yes", "no", "on", "off", "true", "1e3", "0o7", "0x1f", "017", "1_000", "12:30:45"])
@pytest.mark.parametrize("more", [".inf", "-.Inf", ".nan", "1.", "!!float 3", "!!int 3", "1e400", "0b101"])
def test_what_yaml_takes_for_something_else_than_text_is_no_text(client: Client, scalar: str, more: str) -> None:
    for text in (scalar, more):
        answer = _data(client, text)
        if answer.status == 400:
            assert "data" in answer.json["message"] or "yaml" in answer.json["message"], answer.json
        else:
            assert answer.json["data"]["a"] in (text, text.strip("'")), answer.json


@pytest.mark.parametrize(
    "scalar", ["2024-01-02", "2024-01-02T03:04:05Z", "2024-13-45", "'yes'", '"1e3"', "~x", "1.2.3"]
)
def test_dates_and_quoted_scalars_stay_text(client: Client, scalar: str) -> None:
    assert _data(client, scalar).json["data"]["a"] == scalar.strip("'\"")


def test_nothing_is_null_and_null_is_absent(client: Client) -> None:
    for text in ("", "~", "null", "NULL"):
        assert _data(client, text).status == 201


TAGS = [
    "!!python/object/apply:os.system [id]",
    "!!python/name:os.system",
    "!x y",
    "!!set {a, b}",
    "!!binary aGk=",
    "!!timestamp 2024-01-01",
    "!!omap [a: b]",
    "!!null x",
    "!!bool maybe",
    "!!int x",
    "!!float y",
    "! 12",
    "!!str 1",
    "!!map [a]",
    "!!seq {a: b}",
    "!<tag:yaml.org,2002:int> 0x_",
    "!!int ''",
    "!!int '_'",
    "!!float '.'",
    "!!int '1:x'",
    "!!merge a",
    "!!value a",
    "0x_",
    "0b_",
    "_1",
    "+.",
    "!!int '+'",
    "!!timestamp x",
    "!!timestamp 2024-99-99",
    "!!pairs x",
]


@pytest.mark.parametrize("tagged", TAGS)
def test_tags_make_no_objects(client: Client, tagged: str) -> None:
    assert _data(client, tagged).status in (201, 400)
    assert _post(client, f"metadata: {{name: x}}\n? {tagged}\n: 1\n").status in (201, 400)


def _bomb(width: int, depth: int) -> str:
    lines = ["a0: &a0 [" + ", ".join(["lol"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, depth)]
    return "\n".join(lines)


MERGES = "a0: &a0 {k: v}\n" + "\n".join(
    f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 9) + f"], k{n}: v}}" for n in range(1, 12)
)
BOMBS = {
    "lists of aliases": _bomb(9, 12),
    "maps of aliases": "a0: &a0 {x: y}\n"
    + "\n".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 60)),
    "merge keys": MERGES,
    "many anchors": "\n".join(f"k{n}: &a{n} x" for n in range(60_000)),
    "many aliases": "a: &a x\nb: [" + "*a, " * 200_000 + "]",
    "an alias to itself": "&a [*a]",
    "a map that is its own key": "&a {*a : x}",
    "a list for a key": "? [a]\n: b",
    "a map for a key": "? {a: b}\n: c",
    "an unknown alias": "a: *b",
    "deep flow": "[" * 90_000,
    "deep block": "\n".join(" " * n + "a:" for n in range(1200)),
    "deep dashes": "- " * 50_000,
    "many documents": "---\na: b\n" * 50_000,
    "many directives": "%YAML 1.1\n" * 10_000 + "--- a",
    "a long scalar": "a: " + "x" * 2_900_000,
    "a long key": "x" * 2_000_000 + ": a",
    "many question marks": "? " * 20_000,
    "many keys": "{" + "".join(f"k{n}: v, " for n in range(150_000)) + "}",
    "many digits": "a: " + "9" * 1_000_000,
    "sexagesimal digits": "a: 1" + ":59" * 200_000,
    "many underscores": "a: 1" + "_" * 1_000_000,
    "a huge exponent": "a: 1e999999999",
    "utf-16": "a: b".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbfmetadata: {name: x}",
    "latin 1": b"a: \xe9",
    "control bytes": b"a: \x01\x07",
    "NUL": b"a: \x00",
    "tabs": b"a:\n\tb: c",
    "lone surrogate": b'a: "\\ud800"',
    "nothing": b"",
    "only a comment": b"# nothing",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_in_time(client: Client, text: str | bytes) -> None:
    answer = _post(client, text)
    assert answer.status in (201, 400, 413, 422), answer.data[:300]


def test_a_key_given_twice_is_refused_under_strict(client: Client) -> None:
    answer = _post(client, "metadata: {name: x, name: y}", "dryRun=All&fieldValidation=Strict")
    assert answer.status == 400
    assert "name" in answer.json["message"]


@FUZZ
@given(text=st.text(alphabet="ab:-?!&*|>%@`'\"#{}[],.~<=+_ \n\t0129éxe", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    started = time.monotonic()
    try:
        yaml_bodies.load(text.encode())
    except yaml_bodies.YamlError:
        pass
    assert time.monotonic() - started < HANG_S


@settings(FUZZ, max_examples=40)
@given(value=VALUES)
def test_any_document_written_as_yaml_is_judged(client: Client, value: Any) -> None:
    _post(client, yaml.safe_dump({"metadata": {"name": "x"}, "data": value}))
    _post(client, yaml.safe_dump(value, default_flow_style=True))
