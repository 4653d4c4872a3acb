"""What is wrong with the words of a call, told as kubectl tells it; click only finds that something is.

Most verbs of kubectl say in a sentence of their own what they want: they are the tables here, by the verb.
"""

import re

import click

_SEE = "\nSee '{path} -h' for help and examples"
_UNEXPECTED = "Unexpected args: [{said}]"
_USERS = "unexpected args: [{said}]"
_PORTS = "TYPE/NAME and list of ports are required for port-forward" + _SEE
_COPY = "source and destination are required"

# An argument is not there. ``said`` are those that are.
_MISSING = {
    "attach": "at least 1 argument is required for attach",
    "completion": "Shell not specified." + _SEE,
    "config set-credentials": _USERS,
    "cp": _COPY,
    "exec": "pod, type/name or --filename must be specified",
    "explain": (
        "You must specify the type of resource to explain. "
        'Use "steer api-resources" for a complete list of supported resources.'
    ),
    "port-forward": _PORTS,
    "run": "NAME is required for run",
}
# There is one too many.
_EXTRA = {
    "api-resources": "unexpected arguments: [{said}]" + _SEE,
    "api-versions": "unexpected arguments: [{said}]" + _SEE,
    "completion": "Too many arguments. Expected only the shell type." + _SEE,
    "config set-credentials": _USERS,
    "config view": "unexpected arguments: [{said}]" + _SEE,
    "cp": _COPY,
    "explain": "We accept only this format: explain RESOURCE",
    "kustomize": "specify one path to kustomization.yaml",
    "logs": (
        "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
        "POD or TYPE/NAME is a required argument for the logs command" + _SEE
    ),
    "version": "extra arguments: [{said}]",
}
# A value that is none of those a flag, or the argument, takes.
_NONE_OF = {
    "--cascade": 'invalid cascade value ({value}). Must be "background", "foreground", or "orphan"',
    "--dry-run": 'Invalid dry-run value ({value}). Must be "none", "server", or "client".',
    "--type": '--type must be one of [json merge strategic], not "{value}"',
    "shell": 'Unsupported shell type "{value}".' + _SEE,
}


def called_wrongly(error: click.UsageError, called: click.Context) -> str:
    """``called``: the verb of the call, for what click tells of no command."""
    ctx = error.ctx or called
    see = f"See '{ctx.command_path} --help' for usage."
    match error:
        case click.NoSuchOption(option_name=name):
            return f"error: unknown {_flag(name, 'flag: {}', 'shorthand flag: {}')}\n{see}"
        case click.BadOptionUsage(option_name=name) if "requires an argument" in error.message:
            return f"error: flag needs an argument: {_flag(name, '{}', '{}')}\n{see}"
        case click.MissingParameter():
            return f"error: {_missing(ctx)}"
        case click.BadParameter(param=click.Parameter() as param):
            if (text := _refused(param)) is not None:
                return f"error: {text.format(value=_value(error), path=ctx.command_path)}"
    text = error.format_message()
    if text.startswith("No such command "):
        return _unknown(text.removeprefix("No such command ").strip(".'"), ctx)
    if extra := re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", text, re.DOTALL):
        verb, said = _verb(ctx), " ".join([*_said(ctx), extra[1]])
        sentence = _EXTRA.get(verb, _UNEXPECTED if verb.startswith("config ") else _UNEXPECTED + _SEE)
        return f"error: {sentence.format(said=said, path=ctx.command_path)}"
    return f"error: {text}\n{see}"


def code_of_help(asked: click.Context | None) -> int:
    """Of a call that showed the help of ``asked`` since it said no verb below it: to kubectl mostly a failure."""
    return 0 if asked is None or asked.parent is None or _verb(asked) == "certificate" else 1


def named(param: click.Parameter) -> str:
    """A flag with its short form first: ``-o, --output``."""
    return ", ".join(sorted(param.opts, key=len))


def _flag(name: str, long: str, short: str) -> str:
    return long.format(name) if name.startswith("--") else short.format(f"'{name[-1]}' in {name}")


def _verb(ctx: click.Context) -> str:
    """Without the name of the program."""
    return ctx.command_path.partition(" ")[2]


def _missing(ctx: click.Context) -> str:
    """Flags before arguments, as kubectl looks at them; click has read all that were said before it misses any."""
    flags = [
        f'"{max(one.opts, key=len).lstrip("-")}"'
        for one in ctx.command.params
        if isinstance(one, click.Option) and one.required and one.name not in ctx.params
    ]
    if flags:
        return f"required flag(s) {', '.join(flags)} not set"
    sentence = _MISSING.get(_verb(ctx), _UNEXPECTED)
    return sentence.format(said=" ".join(_said(ctx)), path=ctx.command_path)


def _said(ctx: click.Context) -> list[str]:
    """The arguments that have been read."""
    arguments = [one for one in ctx.command.params if isinstance(one, click.Argument) and one.nargs == 1]
    return [str(ctx.params[one.name]) for one in arguments if one.name and ctx.params.get(one.name)]


def _value(error: click.BadParameter) -> str:
    """The one that was refused; click has it in its sentence alone."""
    return error.message.partition("'")[2].partition("'")[0]


def _refused(param: click.Parameter) -> str | None:
    """The sentence for a value, where kubectl has one."""
    if isinstance(param.type, click.Choice):
        return _NONE_OF.get(max(param.opts, key=len))
    if isinstance(param.type, type(click.INT)):
        return (
            f'invalid argument "{{value}}" for "{named(param)}" flag: strconv.ParseInt: parsing "{{value}}": '
            "invalid syntax\nSee '{path} --help' for usage."
        )
    return None


def _unknown(name: str, ctx: click.Context) -> str:
    """kubectl offers its own verbs, and for those below them sends to their help."""
    if ctx.parent is not None or not isinstance(ctx.command, click.Group):
        return f"error: unknown command \"{name}\"\nSee '{ctx.command_path} -h' for help and examples"
    close = [verb for verb in ctx.command.list_commands(ctx) if verb.startswith(name.lower()) or _typo(verb, name)]
    offered = ["", "Did you mean this?", *(f"\t{verb}" for verb in close)] if close else []
    return "\n".join([f'error: unknown command "{name}" for "{ctx.command_path}"', *offered])


def _typo(verb: str, name: str) -> bool:
    """At most two letters added, left out or others, which is cobra's measure too."""
    row = list(range(len(name) + 1))
    for letter in verb:
        before, row = row, [row[0] + 1]
        for at, other in enumerate(name.lower()):
            row.append(min(before[at] + (letter != other), before[at + 1] + 1, row[at] + 1))
    return row[-1] <= 2
