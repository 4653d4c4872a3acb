"""`steer options`: the flags that every verb takes."""

import click


@click.command("options")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print the list of flags inherited by all commands."""
    flags = [one for one in ctx.find_root().command.params if isinstance(one, click.Option)]
    print("The following options can be passed to any command:\n")
    for flag in flags:
        print(f"    {', '.join(sorted(flag.opts, key=len))}:\n\t{flag.help}\n")
