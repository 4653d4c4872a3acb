"""Flags as kubectl takes them: ``--wait=false`` beside the bare ``--all``, and those of all verbs anywhere."""

from collections.abc import Iterator, Sequence

import click


def plain_flags(verbs: click.Group, words: Sequence[str]) -> list[str]:
    """The same words with each yes or no said by the bare flag, by its ``--no-`` form, or not at all; and the flags
    that only ``verbs`` itself has before all others."""
    command = called(verbs, words).command
    end = list(words).index("--") if "--" in words else len(words)
    own = _options(command) if command is not verbs else {}
    shared = {name: one for name, one in _options(verbs).items() if name not in own}
    first: list[str] = []
    shown: list[str] = []
    left = iter(words[:end])
    for word in left:
        name, equals, _ = word.partition("=")
        if name in shared:
            first += _plain(shared[name], word)
            if not (equals or shared[name].is_flag):
                first += _next(left)
        elif name in own:
            shown += _plain(own[name], word)
            if not (equals or own[name].is_flag or own[name]._flag_needs_value):
                shown += _next(left)
        else:
            shown.append(word)
    return [*first, *shown, *words[end:]]


def called(verbs: click.Group, words: Sequence[str]) -> click.Context:
    """The command that the words are for, below those that it is a part of."""
    ctx = click.Context(verbs, info_name="steer")
    for word in words:
        if not isinstance(ctx.command, click.Group):
            break
        if (below := ctx.command.get_command(ctx, word)) is not None:
            ctx = click.Context(below, info_name=word, parent=ctx)
    return ctx


def _options(command: click.Command) -> dict[str, click.Option]:
    return {name: one for one in command.params if isinstance(one, click.Option) for name in one.opts}


def _plain(option: click.Option, word: str) -> list[str]:
    name, _, value = word.partition("=")
    if not option.is_flag or value not in ("true", "false"):
        return [word]
    return [name] if value == "true" else option.secondary_opts[:1]


def _next(left: Iterator[str]) -> list[str]:
    """The value of a flag, which is no flag itself whatever it looks like."""
    word = next(left, None)
    return [] if word is None else [word]
