"""`steersman completion SHELL`: a completion script made from the same lists and dataclasses as the commands.

source <(steersman completion bash)
steersman completion fish > ~/.config/fish/completions/steersman.fish
"""

import argparse

from cli.cluster import Settings
from cli.components import COMPONENTS
from cli.settings import settings_of

SHELLS = ("bash", "zsh", "fish")
LOCATION = ("--root", "--config-dir")


def main(arguments: list[str]) -> int:
    """Print the script."""
    parser = argparse.ArgumentParser(prog="steersman completion", description="Print a shell's completion script.")
    parser.add_argument("shell", choices=SHELLS)
    shell = parser.parse_args(arguments).shell
    words = flags_by_command()
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](words), end="")
    return 0


def flags_by_command() -> dict[str, list[str]]:
    """Every command with its flags."""
    from cli.certificates import ACTIONS as CERTIFICATES_ACTIONS
    from cli.certificates import FLAGS as CERTIFICATES_FLAGS
    from cli.snapshot import ACTIONS as SNAPSHOT_ACTIONS
    from cli.steersman import VERBS

    cluster = [setting.flag for setting in settings_of(Settings)]
    own = {
        "up": [*cluster, "--foreground", "--timeout", "--check-config"],
        "doctor": [*cluster, "--output"],
        "uninstall": [*cluster, "--dry-run", "--yes", "--keep-images"],
        "demo": [*LOCATION, "--manifest", "--timeout"],
        "snapshot": [*SNAPSHOT_ACTIONS, *LOCATION],
        "certificates": [*CERTIFICATES_ACTIONS, *LOCATION, *CERTIFICATES_FLAGS],
        "completion": list(SHELLS),
        "version": [],
    }
    commands = {verb.name: own.get(verb.name, list(LOCATION)) for verb in VERBS}
    for one in COMPONENTS:
        flags = [setting.flag for setting in settings_of(one.config_class())]
        commands[one.name] = [*flags, "--config", "--check-config", "--log-level"]
    return {name: sorted([*flags, "--help"]) for name, flags in commands.items()}


def bash(words: dict[str, list[str]]) -> str:
    """For bash: commands first, then flags of the command; file names where nothing else fits."""
    cases = "\n".join(f'        {name}) words="{" ".join(flags)}" ;;' for name, flags in words.items())
    return f"""# bash completion for steersman
_steersman() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words=""
    if ((COMP_CWORD == 1)); then
        words="{" ".join(words)}"
    else
        case ${{COMP_WORDS[1]}} in
{cases}
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _steersman steersman
"""


def zsh(words: dict[str, list[str]]) -> str:
    """For zsh, through compadd."""
    cases = "\n".join(f"        {name}) compadd -- {' '.join(flags)} ;;" for name, flags in words.items())
    return f"""#compdef steersman
_steersman() {{
    if ((CURRENT == 2)); then
        compadd -- {" ".join(words)}
        return
    fi
    case ${{words[2]}} in
{cases}
    esac
    _files
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _steersman "$@"  # read from fpath at the first use: this is that use
else
    compdef _steersman steersman
fi
"""


def fish(words: dict[str, list[str]]) -> str:
    """For fish: one line a word."""
    lines = ["# fish completion for steersman"]
    for name in words:
        lines.append(f"complete -c steersman -f -n __fish_use_subcommand -a {name}")
    for name, flags in words.items():
        condition = f"'__fish_seen_subcommand_from {name}'"
        for flag in flags:
            kind = f"-l {flag[2:]}" if flag.startswith("--") else f"-a {flag}"
            lines.append(f"complete -c steersman -n {condition} {kind}")
    return "\n".join(lines) + "\n"
