"""Lives until it is stopped."""

import logging
import os
import threading

from fakepart.config import Config

log = logging.getLogger(__name__)


def run(config: Config, stop: threading.Event) -> None:
    log.info("fake runs node=%s", config.node_name)
    if config.file is not None:
        with config.file.open("a", encoding="utf-8") as file:
            file.write(f"start {os.getpid()}\n")
    if config.node_name == "fails":
        raise RuntimeError("cannot start")
    stop.wait(120)
    if config.file is not None:
        with config.file.open("a", encoding="utf-8") as file:
            file.write(f"stop {os.getpid()}\n")
