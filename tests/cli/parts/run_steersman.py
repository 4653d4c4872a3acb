"""The steersman command with two components of the tests' own in place of the seven."""

import os
import sys
from pathlib import Path

import cli.components

cli.components.COMPONENTS = (
    cli.components.Component("apiserver", "fakemaster", "serves two answers"),
    cli.components.Component("fakepart", "fakepart", "lives"),
)

import cli.derive  # noqa: E402 (after the list is exchanged)
from cli.cluster import Settings  # noqa: E402


def told(settings: Settings) -> dict[str, dict[str, object]]:
    return {
        "apiserver": {"port": settings.apiserver_port, "pki": settings.pki, "node_name": settings.node_name},
        "fakepart": {
            "file": Path(os.environ["LIVES"]),
            "node_name": "fails" if "FAILS" in os.environ else settings.node_name,
        },
    }


cli.derive.told = told

from cli.steersman import main  # noqa: E402

sys.exit(main())
