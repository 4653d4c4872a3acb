"""Every `steersman` command in the pages is one that there is, with flags that it has; those that ask for help work."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(steersman [^`\n]+)`")
HELP = re.compile(r"^\$ steersman(?: ([a-z]+))? --help$", re.MULTILINE)
Help = Callable[[str], "subprocess.CompletedProcess[str]"]


def commands(text: str) -> Iterator[list[str]]:
    """The words after `steersman` of each command in code blocks and code spans."""
    lines = [line for _, block in FENCE.findall(text) for line in block.splitlines()]
    for line in [*lines, *SPAN.findall(FENCE.sub("", text))]:
        found = re.match(r"(?:\$ )?(?:\S*/)?steersman (?P<rest>.*)", line.strip())
        if found and not re.match(r"[A-Z]", found["rest"]):
            yield shlex.split(found["rest"].partition(" | ")[0].partition("   ")[0], comments=True)


def wrong_with(words: list[str], help_of: Help) -> str:
    """Why this command cannot be called so; empty when it can."""
    command = "" if words[0].startswith("-") else words[0]
    asked = help_of(command)
    if asked.returncode:
        return f"steersman {' '.join(words)}: {asked.stderr.strip() or asked.stdout.strip()}"
    known = set(re.findall(r"--[a-z][a-z-]*", asked.stdout)) | {"--help", "--version"}
    unknown = [word for word in words[1:] if word.startswith("--") and word.partition("=")[0] not in known]
    return f"steersman {' '.join(words)}: no flag {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist(page: Path, help_of: Help) -> None:
    found = [words for words in commands(page.read_text(encoding="utf-8")) if words]
    assert [wrong for words in found if (wrong := wrong_with(words, help_of))] == []


RUNNABLE = [(page, match) for page in PAGES for match in HELP.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "command"), RUNNABLE, ids=[f"{page.name}-{command}" for page, command in RUNNABLE])
def test_a_command_that_asks_for_help_gets_it(page: Path, command: str, help_of: Help) -> None:
    asked = help_of(command)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert f"usage: steersman {command or 'COMMAND'}" in asked.stdout


def test_the_pages_have_such_commands() -> None:
    assert {command for _, command in RUNNABLE} >= {"", "up", "apiserver"}


def test_a_wrong_command_is_found(help_of: Help) -> None:
    text = "`steersman upp` `steersman up --fourground`\n```\n$ .venv/bin/steersman status --root /x | head\n```\n"
    found = list(commands(text))
    assert sorted(found) == [["status", "--root", "/x"], ["up", "--fourground"], ["upp"]]
    assert [bool(wrong_with(words, help_of)) for words in found] == [False, True, True]
