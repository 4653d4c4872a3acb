"""The `steersman` command: one list of what it can do; each is imported only when it is asked for."""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from cli.components import COMPONENTS, component
from cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: its module has `main(arguments) -> exit code`."""

    name: str
    module: str
    help: str


VERBS = (
    Verb("up", "cli.up", "start the cluster on this host and wait until it is ready"),
    Verb("down", "cli.down", "stop the components; state and containers stay"),
    Verb("status", "cli.status", "show the components and nodes"),
    Verb("doctor", "cli.doctor.main", "find and explain what on this host keeps a cluster from working"),
    Verb("demo", "cli.demo", "bring the cluster up and deploy the guestbook"),
    Verb("snapshot", "cli.snapshot", "save the state to a file, restore it, or look at such a file"),
    Verb("certificates", "cli.certificates", "make or renew the certificates of a master, a node, etcd or a user"),
    Verb("kubeconfig", "cli.kubeconfig", "print where the admin's kubeconfig lies"),
    Verb("uninstall", "cli.uninstall", "stop, and remove everything of the cluster from this host"),
    Verb("version", "cli.version", "print the version"),
    Verb("completion", "cli.completion", "print the completion script of a shell: bash, zsh or fish"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 failed, 2 called wrongly."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        words = ["version"]
    try:
        return _run(words[0], words[1:])
    except CommandError as error:
        print(_told(words[0], error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `steersman status | head`
        sys.stderr.close()
        return 141
    except OSError as error:  # the door of a command: what the host refuses is told in a line
        print(_told(words[0], _refused_by_host(error)), file=sys.stderr)
        return 1


def _run(name: str, arguments: list[str]) -> int:
    for verb in VERBS:
        if verb.name == name:
            run = cast(Callable[[list[str]], int], import_module(verb.module).main)
            return run(arguments)
    try:
        found = component(name)
    except KeyError:
        raise _unknown(name) from None
    from cli.component import main as run_component

    return run_component(found, arguments)


def _unknown(name: str) -> CommandError:
    import difflib

    known = [*(verb.name for verb in VERBS), *(one.name for one in COMPONENTS)]
    close = difflib.get_close_matches(name, known, n=1)
    error = CommandError(f"unknown command {name!r}", hint=f"did you mean {close[0]!r}?" if close else "see --help")
    error.exit_code = 2
    return error


def _refused_by_host(error: OSError) -> CommandError:
    hints = {errno.ENOSPC: "make room on that disk", errno.EROFS: "it is mounted read-only"}
    if os.geteuid() != 0 and error.errno in (errno.EACCES, errno.EPERM):
        hints[error.errno] = "use sudo"
    reason = error.strerror or str(error)
    message = f"{error.filename}: {reason}" if error.filename is not None else reason
    return CommandError(message, hint=hints.get(error.errno or 0, ""))


def _told(command: str, error: CommandError) -> str:
    lines = [f"steersman {command}: {line}" for line in str(error).splitlines()]
    return "\n".join([*lines, error.hint] if error.hint else lines)


def usage() -> str:
    """The help of the whole command."""
    width = max(len(one.name) for one in (*VERBS, *COMPONENTS)) + 2
    return "\n".join(
        [
            "usage: steersman COMMAND [FLAGS]      (steersman COMMAND --help shows its flags)",
            "",
            "The cluster on this host:",
            *(f"  {verb.name:<{width}}{verb.help}" for verb in VERBS),
            "",
            "One component, in the foreground:",
            *(f"  {one.name:<{width}}{one.help}" for one in COMPONENTS),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
