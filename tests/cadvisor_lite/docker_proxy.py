"""Stands between a monitor and the real Docker daemon."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

DOCKER_SOCKET = "/var/run/docker.sock"


class DockerProxy:
    """A Unix socket in front of the daemon's that can be cut, or hang, so that the daemon itself is left alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._flowing = threading.Event()
        self._flowing.set()

    def hang(self) -> None:
        """From now on nothing goes through, as with a daemon that is stuck: connections are taken and kept open."""
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    def open(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(16)
        self._spawn(self._accept, self._listener)

    def cut(self) -> None:
        """Ends every connection and refuses new ones."""
        self._flowing.set()
        if self._listener is not None:
            self._path.unlink()
            for open_socket in [self._listener, *self._sockets]:
                with contextlib.suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join(5)
            for open_socket in [self._listener, *self._sockets]:
                open_socket.close()
        self._listener, self._sockets, self._threads = None, [], []

    def _spawn(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, name="docker-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(DOCKER_SOCKET)
                self._sockets += [client, server]
                self._spawn(self._pump, client, server)
                self._spawn(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
