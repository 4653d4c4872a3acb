"""The life of one component process: signals, systemd's notices, and an end within a limit.

SIGTERM or SIGINT asks for the end; a second one ends at once. A component that does not end within STOP_LIMIT_S after
being asked is ended, for nobody may be left to ask again. SIGUSR1 writes the stacks of all threads to standard error.
"""

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)

STOP_LIMIT_S = 15.0


def serve(name: str, work: Callable[[threading.Event], None]) -> int:
    """Run `work` until a signal asks for its end; the exit code. Call it in the main thread."""
    stop = threading.Event()
    _listen_to_signals(stop)
    threading.current_thread().name = name
    threading.excepthook = _log_dead_thread
    if sys.stderr is not None:
        faulthandler.enable(all_threads=True)  # a crash of the interpreter leaves the stacks in the log
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)
    log.info("starting component=%s pid=%d", name, os.getpid())
    notify("READY=1")
    try:
        work(stop)
    except Exception:
        log.exception("component failed component=%s", name)
        return 1
    log.info("stopped component=%s asked=%s", name, str(stop.is_set()).lower())
    return 0


def _listen_to_signals(stop: threading.Event) -> None:
    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        notify("STOPPING=1")
        limit = threading.Timer(STOP_LIMIT_S, _end_now)
        limit.name = "stop-limit"
        limit.daemon = True
        limit.start()
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _end_now() -> None:
    log.error("did not stop in time, ending limit_s=%g", STOP_LIMIT_S)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


def _log_dead_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit:
        return
    name = arguments.thread.name if arguments.thread is not None else "?"
    trace = (arguments.exc_type, arguments.exc_value or arguments.exc_type(), arguments.exc_traceback)
    log.error("thread died thread=%s", name, exc_info=trace)


def notify(message: str) -> None:
    """Tell systemd, where it listens (sd_notify(3)). A failure to tell is logged and changes nothing else."""
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
