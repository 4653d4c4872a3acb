"""Lives until it is stopped."""

import logging
import os
import signal
import threading
import time

from fakepart.config import Config

log = logging.getLogger(__name__)


def run(config: Config, stop: threading.Event) -> None:
    log.info("fake runs node=%s", config.node_name)
    note(config, "start")
    if config.node_name == "fails":
        raise RuntimeError("cannot start")
    if config.node_name == "holds-the-lock":
        _hold_until_told(config, stop)
    if config.node_name == "hears-nothing":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # another thread gets it: no sleep here ends
        note(config, "deaf")
    stop.wait(120)
    if config.node_name == "hangs":
        note(config, "hangs on")
        threading.Event().wait(120)
    note(config, "stop")


def _hold_until_told(config: Config, stop: threading.Event) -> None:
    """As the main thread does between two steps of ``stop.wait()``."""
    assert config.file is not None
    with stop._cond:
        note(config, "holds")
        while not config.file.with_name("go").exists():
            time.sleep(0.01)


def note(config: Config, what: str) -> None:
    if config.file is not None:
        with config.file.open("a", encoding="utf-8") as file:
            file.write(f"{what} {os.getpid()}\n")
