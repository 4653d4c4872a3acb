"""Flags as kubectl takes them: ``--wait=false`` and ``--all=true`` beside the bare ``--all``."""

from collections.abc import Sequence

import click


def plain_flags(verbs: click.Group, words: Sequence[str]) -> list[str]:
    """The same words with each yes or no said by the bare flag, by its ``--no-`` form, or not at all."""
    command: click.Command | None = None
    for word in words:
        group = command or verbs
        if not isinstance(group, click.Group):
            break
        command = group.get_command(click.Context(group), word) or command
    if command is None:
        return list(words)
    flags = {name: one for one in command.params if isinstance(one, click.Option) and one.is_flag for name in one.opts}
    end = list(words).index("--") if "--" in words else len(words)
    shown: list[str] = []
    for word in words[:end]:
        name, _, value = word.partition("=")
        if name not in flags or value not in ("true", "false"):
            shown.append(word)
        elif value == "true":
            shown.append(name)
        else:
            shown += flags[name].secondary_opts[:1]
    return [*shown, *words[end:]]
