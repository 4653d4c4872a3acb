"""Lives until it is stopped."""

import logging
import os
import threading

from fakepart.config import Config

log = logging.getLogger(__name__)


def run(config: Config, stop: threading.Event) -> None:
    log.info("fake runs node=%s", config.node_name)
    note(config, "start")
    if config.node_name == "fails":
        raise RuntimeError("cannot start")
    stop.wait(120)
    if config.node_name == "hangs":
        note(config, "hangs on")
        threading.Event().wait(120)
    note(config, "stop")


def note(config: Config, what: str) -> None:
    if config.file is not None:
        with config.file.open("a", encoding="utf-8") as file:
            file.write(f"{what} {os.getpid()}\n")
