"""Verbs that are not, flags that all share at every place of the line, and input without an object."""

import io
from typing import Any, NoReturn

import pytest

from cli.steer.failures import Failure
from cli.steer.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gte"], 'error: unknown command "gte" for "steer"\n\nDid you mean this?\n\tget\n'),
        (["roll"], 'error: unknown command "roll" for "steer"\n\nDid you mean this?\n\trollout\n\trolling-update\n'),
        (["xyzzy"], 'error: unknown command "xyzzy" for "steer"\n'),
        (["config", "gte"], "error: unknown command \"gte\"\nSee 'steer config -h' for help and examples\n"),
    ],
)
def test_unknown_verbs(words: list[str], said: str, capsys: Any) -> None:
    assert main(words) == 1
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_kubeconfig_may_be_said_anywhere(kubeconfig: str, at: int, capsys: Any) -> None:
    words = ["config", "current-context"]
    assert main([*words[:at], "--kubeconfig", kubeconfig, *words[at:]]) == 0
    assert capsys.readouterr().out == "c\n"


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
def test_the_namespace_may_be_said_anywhere(at: int, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def session(**said: str) -> NoReturn:
        raise Failure(str(said))

    monkeypatch.setattr("cli.steer.session.Session", session)
    words = ["rollout", "status", "deploy/web", "--watch=false"]
    assert main([*words[:at], "-n", "there", *words[at:]]) == 1
    assert capsys.readouterr().err == "error: {'namespace': 'there'}\n"


@pytest.mark.parametrize("verb", ["rollout status", "set image", "top pods", "auth whoami"])
def test_each_verb_with_others_below_it_takes_the_shared_flags(kubeconfig: str, verb: str, capsys: Any) -> None:
    first, second = verb.split()
    words = {"status": ["deploy/x"], "image": ["deploy/x", "a=b"]}.get(second, [])
    main([first, "-n", "there", "--context", "c", "--kubeconfig", kubeconfig, second, *words])
    assert "The connection to the server 127.0.0.1:1 was refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["apply"], 1, "", "error: no objects passed to apply\n"),
        (["create"], 1, "", "error: no objects passed to create\n"),
        (["replace", "--force"], 1, "", "error: no objects passed to replace\n"),
        (["delete"], 0, "No resources found\n", ""),
    ],
)
def test_input_without_an_object(
    kubeconfig: str, words: list[str], code: int, out: str, err: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("---\n---\n"))
    assert main([*words, "--kubeconfig", kubeconfig, "-f", "-"]) == code
    assert tuple(capsys.readouterr()) == (out, err)
