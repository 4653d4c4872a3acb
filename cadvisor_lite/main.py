"""Starts and stops the monitor: readers, the watch on Docker, the server."""

import ctypes
import logging
import resource
import threading
from importlib.metadata import PackageNotFoundError, version

from cadvisor_lite.config import Config
from cadvisor_lite.docker_watch import DockerWatch
from cadvisor_lite.http_server import HttpServer
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.routes import Routes

log = logging.getLogger(__name__)
# Of mallopt(3), from glibc's malloc.h.
_M_ARENA_MAX = -8


class CadvisorLite:
    """The running monitor. `start` raises nothing; making one raises OSError (address taken, no /proc to read)."""

    def __init__(self, config: Config) -> None:
        _share_one_heap()
        self.monitor = Monitor(config)
        self.watch = DockerWatch(config.docker_host, self.monitor)
        self._server = HttpServer(
            config.listen_address, config.port, Routes(config, self.monitor, self.watch, installed_version())
        )

    @property
    def port(self) -> int:
        return self._server.port

    def start(self) -> None:
        self.watch.start()
        self.monitor.start()
        self._server.start()

    def stop(self) -> None:
        """Server first, so that nobody is told of half a state; then the watch; then the readers."""
        self._server.stop()
        self.watch.stop()
        self.monitor.stop()


def run(config: Config, stop: threading.Event) -> None:
    """Serves until `stop` is set. Raises ValueError for settings that cannot be used, OSError at a failed start."""
    problems = config.check()
    if problems:
        raise ValueError("; ".join(problems))
    _allow_descriptors()
    cadvisor = CadvisorLite(config)
    cadvisor.start()
    log.info("serving address=%s port=%d", config.listen_address, cadvisor.port)
    try:
        stop.wait()
    finally:
        cadvisor.stop()
    log.info("stopped")


def _share_one_heap() -> None:
    """glibc gives threads heaps of their own, and each of the server's would keep the largest answer it ever made."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except (OSError, AttributeError) as error:
        log.debug("heaps are as the C library has them error=%s", error)


def _allow_descriptors() -> None:
    """As many as we may have: services start with a soft limit of 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:
        log.info("limit of descriptors stays error=%s", error)


def installed_version() -> str:
    """The distribution's version; "unknown" when run from a plain copy of the sources."""
    try:
        return version("steersman")
    except PackageNotFoundError:
        return "unknown"
