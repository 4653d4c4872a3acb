"""The life of one component process: signals, systemd's notices, and an end within a limit.

SIGTERM or SIGINT asks for the end; a second one ends at once. A component that does not end within STOP_LIMIT_S after
being asked is ended, for nobody may be left to ask again. SIGHUP has the settings file read again, where the caller
knows what can be taken up. SIGUSR1 writes the stacks of all threads to standard error.
"""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from cli.alive import Question
from cli.notices import notify, told
from cli.signals import Act, acted_upon

log = logging.getLogger(__name__)

STOP_LIMIT_S = 15.0


def serve(
    name: str,
    work: Callable[[threading.Event], None],
    *,
    question: Question | None = None,
    reload: Callable[[], None] | None = None,
) -> int:
    """Run `work` until a signal asks for its end; the exit code. Call it in the main thread.

    `question` asks whether the component answers at its port: systemd is told. `reload` is called upon SIGHUP, in
    a thread beside the work; what it raises is logged and changes nothing.
    """
    stop = threading.Event()
    end = _ending(stop)
    acts: dict[int, Act] = {signal.SIGTERM: end, signal.SIGINT: end}
    if reload is not None:
        acts[signal.SIGHUP] = _reloading(reload)
    threading.current_thread().name = name
    threading.excepthook = _log_dead_thread
    if sys.stderr is not None:
        faulthandler.enable(all_threads=True)  # a crash of the interpreter leaves the stacks in the log
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)
    log.info("starting component=%s pid=%d", name, os.getpid())
    try:
        with acted_upon(acts), told(stop, question):
            work(stop)
    except Exception:
        log.exception("component failed component=%s", name)
        return 1
    log.info("stopped component=%s asked=%s", name, str(stop.is_set()).lower())
    return 0


def _ending(stop: threading.Event) -> Act:
    def end(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        notify("STOPPING=1")
        limit = threading.Timer(STOP_LIMIT_S, _end_now)
        limit.name = "stop-limit"
        limit.daemon = True
        limit.start()
        stop.set()

    return end


def _reloading(reload: Callable[[], None]) -> Act:
    def again(_number: int) -> None:
        # MONOTONIC_USEC belongs to RELOADING since systemd 253 (Type=notify-reload); older ones pass over it.
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            reload()
        except Exception:
            log.exception("reload failed, the settings stay as they were")
        notify("READY=1")

    return again


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
