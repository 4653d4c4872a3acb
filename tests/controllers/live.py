"""A whole API server for tests of what lives beside it: real sockets and TLS, a real store, real certificates."""

import asyncio
import socket
import threading
from pathlib import Path

from client import Client
from master import pki
from master.apiserver.config import Config
from master.apiserver.server import Apiserver
from tests.e2e.waiting import LIMIT_S

__all__ = ["LIMIT_S", "Master"]


class Master:
    """An API server on a loop and a thread of its own; each component reaches it under its own name."""

    def __init__(self, directory: Path, address: str = "127.0.0.1") -> None:
        with socket.socket() as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        server = pki.apiserver_identity(
            host_name=socket.gethostname(), addresses=[address], service_ip="10.96.0.1", domain="cluster.local"
        )
        components = pki.standard_identities(node_name="n1")
        self.certificates = pki.ensure(directory / "etc", (server, *components), server=f"https://{address}:{port}")
        self._config = Config(
            bind_address=address,
            secure_port=port,
            config_dir=self.certificates.directory,
            data_dir=directory / "data",
            shutdown_grace_s=1.0,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apiserver under test")
        self._thread.start()
        self._server: Apiserver | None = None
        try:
            self.rise()
        except BaseException:
            self.stop()
            raise

    def rise(self) -> None:
        """Serve; on the state that is there."""
        self._server = asyncio.run_coroutine_threadsafe(self._started(), self._loop).result(LIMIT_S)

    def fall(self) -> None:
        """Serve no more; the state stays."""
        server, self._server = self._server, None
        if server is not None:
            asyncio.run_coroutine_threadsafe(server.stop(), self._loop).result(LIMIT_S)

    async def _started(self) -> Apiserver:
        server = Apiserver(self._config)
        await server.start()
        return server

    def kubeconfig(self, user: str) -> Path:
        return self.certificates.kubeconfig(user)

    def client(self, user: str) -> Client:
        return Client.from_kubeconfig(self.kubeconfig(user))

    def stop(self) -> None:
        try:
            self.fall()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(LIMIT_S)
            self._loop.close()
