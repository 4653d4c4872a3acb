"""A handshake that does not fit into the kernel's buffers at once, on a loop that tells what it waits for."""

import asyncio
import contextlib
import selectors
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from master.apiserver.http.link import Link
from master.apiserver.http.tls import TlsFiles, server_context
from tests.apiserver_http.live import WAIT_S

_SMALL_BYTES = 4096
_LONG_CHAIN = 80


def _pair() -> tuple[socket.socket, socket.socket]:
    """The server's end and the client's, with as little room between them as the kernel allows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BYTES)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL_BYTES)
    client.setblocking(False)
    return server, client


class _Slow:
    """A client that shakes hands only when it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._tls = context.wrap_bio(self._in, self._out)

    def step(self) -> bytes:
        """What is to be sent next."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    async def reply(self) -> bytes:
        """Takes all that the server says, and returns the answer to it."""
        loop = asyncio.get_running_loop()
        while not (answer := self.step()):
            self._in.write(await loop.sock_recv(self.sock, 65536))
        return answer


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)


def test_who_has_said_all_waits_for_the_client_and_not_for_room(tls_files: TlsFiles, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(tls_files.certificate.read_bytes() + tls_files.client_ca.read_bytes() * _LONG_CHAIN)
    context = server_context(TlsFiles(certificate=chain, key=tls_files.key, client_ca=tls_files.client_ca))
    selector = selectors.DefaultSelector()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server, sock = _pair()
        made: list[asyncio.Protocol] = []

        def protocol() -> asyncio.Protocol:
            made.append(asyncio.Protocol())
            return made[-1]

        link = Link(server, protocol, context=context, handshake_s=WAIT_S)
        fd = link.get_extra_info("socket").fileno()
        with sock:
            client = _Slow(sock)
            await loop.sock_sendall(sock, client.step())
            await _until(lambda: selector.get_key(fd).events & selectors.EVENT_WRITE)
            answer = await client.reply()
            # The last piece was sent within a turn of the loop that is over when the client has it.
            assert selector.get_key(fd).events == selectors.EVENT_READ
            await loop.sock_sendall(sock, answer)
            await _until(lambda: made)
            link.abort()
            await _until(lambda: link.get_extra_info("socket").fileno() == -1)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(run())
