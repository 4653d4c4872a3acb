"""`steersman down`: stop the components. State, containers, addresses and rules stay: workloads keep serving."""

import argparse

from cli import board
from cli.cluster import Settings, add_location_flags, load
from cli.processes import Lock, end
from cli.progress import say
from cli.up import LOCK_FILE

SUPERVISOR_LIMIT_S = 45.0  # it stops the API server after the others, each with a limit of its own
LEFTOVER_LIMIT_S = 20.0


def main(arguments: list[str]) -> int:
    """Stop the cluster's components; the exit code."""
    parser = argparse.ArgumentParser(
        prog="steersman down", description="Stop the components; state and containers stay."
    )
    add_location_flags(parser)
    settings, _ = load(parser.parse_args(arguments))
    if stop(settings):
        say(f"cluster {settings.name} is down; its state and its containers stay (steersman up brings it back)")
    else:
        say(f"cluster {settings.name} was not running")
    return 0


def stop(settings: Settings) -> bool:
    """End the supervisor and whatever it could not end; False when nothing ran."""
    written = board.read(settings.run)
    if written is None:
        return False
    ended = end(written.supervisor, limit_s=SUPERVISOR_LIMIT_S)
    # Normally the supervisor has ended them all. After a kill -9 of it they may be on their way, or stuck.
    written = board.read(settings.run) or written
    for process in written.processes[1:]:
        ended = end(process, limit_s=LEFTOVER_LIMIT_S) or ended
    lock = Lock(settings.run / LOCK_FILE)
    if lock.take(limit_s=5.0):
        lock.drop()
    return ended
