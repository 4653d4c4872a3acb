"""Flag, environment, file, default: which wins, and what a bad value is told."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "parts"))

import argparse

from fakepart.config import Config

from cli.component import effective
from cli.errors import SettingsError
from cli.flags import add_flags, describe, read_flags
from cli.settings import Values, build, read_environment, read_file, settings_of

SETTINGS = settings_of(Config)
PREFIX = "STEERSMAN_FAKE_"


def flags(*arguments: str) -> Values:
    parser = argparse.ArgumentParser()
    add_flags(parser, SETTINGS, env_prefix=PREFIX)
    return read_flags(parser.parse_args(arguments), SETTINGS)


def file(tmp_path: Path, text: str) -> Values:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return read_file(path, SETTINGS)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        build(Config, file(tmp_path, text))
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_the_nearest_word_wins(tmp_path: Path) -> None:
    in_file = file(tmp_path, "node-name: file\nport: 1\ninterval-s: 2\n")
    in_environment = read_environment(
        PREFIX, SETTINGS, {"STEERSMAN_FAKE_NODE_NAME": "environment", "STEERSMAN_FAKE_PORT": "2", "OTHER": "x"}
    )
    config, values = build(Config, in_file, in_environment, flags("--node-name", "flag"))
    assert (config.node_name, config.port, config.interval_s, config.enabled) == ("flag", 2, 2.0, True)
    assert values["node_name"].origin == "--node-name"
    assert values["port"].origin == "$STEERSMAN_FAKE_PORT"
    assert values["interval_s"].origin.endswith("settings.yaml: interval-s")
    assert values["enabled"].origin == "default"


def test_every_type_can_be_said_in_every_place(tmp_path: Path) -> None:
    wanted = Config(
        node_name="n", port=1, interval_s=0.5, enabled=False, directory=Path("/d"), servers=("a", "b"),
        labels={"k": "v", "l": "w"}, proxy="p", file=Path("/f"),
    )  # fmt: skip
    text = (
        "node-name: n\nport: 1\ninterval-s: 0.5\nenabled: false\ndirectory: /d\nservers: [a, b]\n"
        "labels: {k: v, l: w}\nproxy: p\nfile: /f\n"
    )
    words = {
        "NODE_NAME": "n", "PORT": "1", "INTERVAL_S": "0.5", "ENABLED": "no", "DIRECTORY": "/d", "SERVERS": "a,b",
        "LABELS": "k=v,l=w", "PROXY": "p", "FILE": "/f",
    }  # fmt: skip
    by_flag = flags(
        "--node-name=n", "--port=1", "--interval-s=0.5", "--no-enabled", "--directory=/d", "--servers=a",
        "--servers=b", "--labels=k=v", "--labels=l=w", "--proxy=p", "--file=/f",
    )  # fmt: skip
    environment = read_environment(PREFIX, SETTINGS, {PREFIX + name: value for name, value in words.items()})
    for source in (file(tmp_path, text), environment, by_flag):
        assert build(Config, source)[0] == wanted


def test_nothing_said_is_the_default(tmp_path: Path) -> None:
    assert build(Config, file(tmp_path, ""), {}, flags())[0] == Config()


def test_empty_text_is_none_where_nothing_is_allowed() -> None:
    assert build(Config, flags("--proxy", ""))[0].proxy is None


def test_an_unknown_key_is_told_with_the_closest_known_one(tmp_path: Path) -> None:
    assert problems(tmp_path, "node-nmae: x\nprot: 1\n") == [
        "settings.yaml: unknown key 'node-nmae'; did you mean 'node-name'?",
        "settings.yaml: unknown key 'prot'; did you mean 'port'?",
    ]


def test_an_underscore_is_not_a_second_spelling(tmp_path: Path) -> None:
    assert problems(tmp_path, "node_name: x\n") == ["settings.yaml: unknown key 'node_name'; did you mean 'node-name'?"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("port: high", "port: must be a whole number, is 'high'"),
        ("port: true", "port: must be a whole number, is True"),
        ("interval-s: .nan", "interval-s: must be a number, is nan"),
        ("node-name: 1", "node-name: must be text (quote it if it looks like a number), is 1"),
        ("enabled: 1", "enabled: must be true or false, is 1"),
        ("servers: one", "servers: must be a list of text, is 'one'"),
        ("labels: {a: 1}", "labels: must be a mapping of text to text, is {'a': 1}"),
        ("port: 70000", "port: 70000 is not within 1-65535"),
        ("port: null", "port: must be a whole number, is None"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [f"settings.yaml: {problem}"]


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "- a\n") == ["settings.yaml: must be a mapping of settings, is a list"]


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    assert "line 1" in problems(tmp_path, "a: [\n")[0] or "line 2" in problems(tmp_path, "a: [\n")[0]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_file(tmp_path / "none.yaml", SETTINGS)


def test_a_bad_flag_and_a_bad_variable_are_named() -> None:
    with pytest.raises(SettingsError, match="--interval-s: must be a number, is 'inf'"):
        flags("--interval-s=inf")
    with pytest.raises(SettingsError, match="--port: must be a whole number, is 'x'"):
        flags("--port", "x")
    with pytest.raises(SettingsError, match=r"\$STEERSMAN_FAKE_ENABLED: must be true or false"):
        read_environment(PREFIX, SETTINGS, {"STEERSMAN_FAKE_ENABLED": "perhaps"})
    with pytest.raises(SettingsError, match="--port: 0 is not within"):
        build(Config, flags("--port", "0"))


def test_help_shows_default_and_variable() -> None:
    port = next(one for one in SETTINGS if one.name == "port")
    assert describe(port, env_prefix=PREFIX) == "a port (default: 10250; $STEERSMAN_FAKE_PORT)"


def test_the_effective_settings_can_be_used_as_a_file(tmp_path: Path) -> None:
    config, values = build(Config, flags("--node-name", "a: b # c", "--labels", "k=v"))
    assert build(Config, file(tmp_path, effective(SETTINGS, values)))[0] == config
