"""What a process tells systemd of itself: ready, alive, reloading, stopping (sd_notify(3), sd_watchdog_enabled(3)).

READY=1 is said when the component answers at its port for the first time, not when its process has begun: what is
ordered after it may use it. With a watchdog, WATCHDOG=1 is said at half of the time allowed, but only after an answer:
a component that hangs is silent, is killed by systemd and started again.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator

from cli.alive import Question

log = logging.getLogger(__name__)

LOOK_S = 0.2  # between questions until the first answer
STATUS_AFTER = 25  # unanswered questions after which `systemctl status` says what is waited for


def notify(message: str) -> None:
    """Tell systemd, where it listens. A failure to tell is logged and changes nothing else."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(1.0)
            channel.sendto(message.encode(), address)
    except OSError as error:
        log.warning("systemd was not told message=%s error=%s", message, error)


def watchdog_s() -> float | None:
    """Seconds within which systemd wants signs of life of this process; None: it wants none."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdigit() and int(text) > 0 else None


@contextlib.contextmanager
def told(stop: threading.Event, question: Question | None) -> Iterator[None]:
    """Tell systemd while the block runs. Without systemd no thread is started and nothing is asked."""
    if not os.environ.get("NOTIFY_SOCKET"):
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_tell, args=(stop, over, question or (lambda: True)), name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)


def _tell(stop: threading.Event, over: threading.Event, question: Question) -> None:
    unanswered = 0
    while not question():
        unanswered += 1
        if unanswered == STATUS_AFTER:
            notify("STATUS=started, does not answer at its port yet")
        if stop.is_set() or over.wait(LOOK_S):
            return
    notify("READY=1\nSTATUS=serving")
    allowed_s = watchdog_s()
    while allowed_s is not None and not over.wait(allowed_s / 2):
        # A component asked to stop no longer answers; systemd has its own limit for that.
        if stop.is_set() or question():
            notify("WATCHDOG=1")
