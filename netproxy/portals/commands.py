"""Running the system's own tools for rules and routes, with a limit on the time they may take."""

from __future__ import annotations

import subprocess

TIMEOUT_S = 20.0
LOCK_WAIT_S = 5
"""How long iptables waits for another program's xtables lock."""


class PortalError(Exception):
    """Rules or the route could not be read or written."""


def run(*command: str, text: str = "") -> str:
    """The output of a command that is given this text; PortalError with its complaint when it fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise PortalError(f"{command[0]} did not end within {TIMEOUT_S} s") from error
    except OSError as error:
        raise PortalError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise PortalError(f"{' '.join(command)} failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
