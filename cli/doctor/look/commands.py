"""Running a command of the host to read what it prints."""

import os
import subprocess

from cli.errors import CommandError

LIMIT_S = 20.0


def output(*command: str, **environment: str) -> str:
    """What it prints. Raises PermissionError, CommandError with what it complained of, or OSError."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=os.environ | environment
    )
    if done.returncode:
        complaint = f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}"
        raise PermissionError(complaint) if os.geteuid() else CommandError(complaint)
    return done.stdout
