"""`steer set SUBCOMMAND`: changes of what is there (`cli.steer.setting`); only the one that is called is loaded."""

from importlib import import_module
from typing import cast

import click

from cli.steer.reaching import with_common

_MODULES = {
    "env": "variables",
    "image": "images",
    "resources": "resources",
    "selector": "references",
    "serviceaccount": "references",
    "subject": "references",
}
_OTHER_NAMES = {"sa": "serviceaccount"}


class _Settings(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = _OTHER_NAMES.get(cmd_name, cmd_name)
        if name not in _MODULES:
            return None
        return cast(click.Command, getattr(import_module(f"cli.steer.setting.{_MODULES[name]}"), name))


@click.group("set", cls=_Settings)
@with_common
def command() -> None:
    """Set specific features on objects."""
