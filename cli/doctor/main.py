"""`steersman doctor`: a table of what was checked; exit code 1 when something fails.

Nothing is changed on the host, but that the kernel loads modules it is asked for.
"""

import argparse
import json
from collections.abc import Sequence

from cli.cluster import ENV_PREFIX, Settings, complete, load
from cli.doctor.checks import CHECKS
from cli.doctor.finding import Finding, Level
from cli.flags import add_flags
from cli.progress import say
from cli.settings import settings_of
from cli.table import render

OUTPUTS = ("table", "json")
Result = tuple[str, Finding]


def main(arguments: list[str]) -> int:
    """Check, print, and return 1 when something fails."""
    parser = argparse.ArgumentParser(
        prog="steersman doctor", description="Find and explain what on this host keeps a cluster from working."
    )
    parser.add_argument("-o", "--output", choices=OUTPUTS, default=OUTPUTS[0], help="for people, or for programs")
    add_flags(parser, settings_of(Settings), env_prefix=ENV_PREFIX)
    namespace = parser.parse_args(arguments)
    settings = complete(load(namespace)[0])
    results = [(check.name, finding) for check in CHECKS for finding in check.run(settings)]
    say(as_json(results) if namespace.output == "json" else as_table(results))
    return 1 if any(finding.level is Level.FAIL for _, finding in results) else 0


def as_table(results: Sequence[Result]) -> str:
    """The table, then what to do, most pressing first, then a count."""
    rows = [(name, finding.level.value, finding.message) for name, finding in results]
    lines = [render(("CHECK", "RESULT", "WHAT"), rows)]
    for level in (Level.FAIL, Level.WARN):
        told = [(name, finding) for name, finding in results if finding.level is level]
        for name, finding in told:
            lines.append(f"\n{level}: {name}: {finding.message}\n  {finding.advice}")
    count = {level: sum(finding.level is level for _, finding in results) for level in Level}
    lines.append(f"\n{count[Level.OK]} ok, {count[Level.WARN]} to look at, {count[Level.FAIL]} failed")
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> str:
    """One object with a list of findings."""
    checks = [
        {"check": name, "result": finding.level.value, "message": finding.message, "advice": finding.advice}
        for name, finding in results
    ]
    return json.dumps({"checks": checks}, indent=2)
