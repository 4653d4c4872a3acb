"""Words after ``--``: they are the command of a container, and no names."""

import click

_SAID = "after dashes"


class Dashed(click.Command):
    """A verb with such words, where ``after_dashes`` is not taken from it; all others are arguments."""

    after_dashes = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args and self.after_dashes else len(args)
        ctx.meta[_SAID] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])


def after_dashes() -> tuple[str, ...]:
    """Of the verb that is called."""
    found: tuple[str, ...] = click.get_current_context().meta[_SAID]
    return found
