"""The tables of settings in the pages are those that the code declares."""

import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "settings-table"
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def script() -> Any:
    """The script as a module; its name has no ending, so it is loaded by path."""
    loader = SourceFileLoader("settings_table", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    # A dataclass looks its own module up while it is made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, loader.name, module)
        patch.setattr("sys.dont_write_bytecode", True)
        loader.exec_module(module)
        yield module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_current(page: Path, script: Any) -> None:
    text = page.read_text(encoding="utf-8")
    assert script.renewed(text, page=page.name) == text, (
        f"docs/{page.name} is stale: run scripts/settings-table --write"
    )


def test_every_table_stands_in_some_page(script: Any) -> None:
    shown = [name for page in PAGES for name in re.findall(r"<!-- settings:([a-z-]+) -->", page.read_text("utf-8"))]
    assert sorted(shown) == sorted(script.sources())


def test_a_stale_table_is_found_and_renewed(script: Any) -> None:
    stale = "before\n<!-- settings:scheduler -->\n| `gone` | `1` | old |\n<!-- /settings -->\nafter\n"
    renewed = script.renewed(stale, page="x.md")
    table = script.table("scheduler")
    assert renewed == f"before\n<!-- settings:scheduler -->\n{table}<!-- /settings -->\nafter\n"
    assert "| `scheduler-name` | `default-scheduler` | " in table
    assert script.renewed(renewed, page="x.md") == renewed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!-- settings:scheduler -->\n", "x.md: a settings marker has no end"),
        ("<!-- settings:nobody -->\n<!-- /settings -->\n", "x.md: no settings are called 'nobody'"),
        (
            "<!-- settings:scheduler -->\n<!-- settings:dns -->\n<!-- /settings -->\n",
            "x.md: a settings marker has no end",
        ),
    ],
    ids=["no end", "unknown name", "one within another"],
)
def test_a_wrong_marker_is_refused(script: Any, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        script.renewed(text, page="x.md")


def test_the_script_prints_one_table(script: Any) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "scheduler"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == script.table("scheduler")
