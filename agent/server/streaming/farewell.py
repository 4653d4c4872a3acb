"""The end of a client's connection: all that was said arrives, however slowly it is read."""

import time

from agent.server.streaming.timing import Timing
from agent.server.streaming.wire import Interest, Wire, wait


def say_farewell(client: Wire, timing: Timing) -> None:
    """Send what waits, as long as the client takes some of it; then let it close first.

    Closing a socket with unread bytes makes the kernel send a reset, which can overtake what was sent.
    """
    _flush(client, timing.idle_s)
    client.say_goodbye()
    deadline = time.monotonic() + timing.farewell_s
    while not (client.ended or client.broken) and (left_s := deadline - time.monotonic()) > 0:
        if wait([Interest(client, reading=True)], left_s):
            client.receive()


def _flush(client: Wire, patience_s: float) -> None:
    while (before := client.waiting) and not client.ended:
        wait([Interest(client, reading=False, watched=True)], patience_s)
        if client.waiting == before:
            client.broken = True
