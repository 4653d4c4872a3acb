"""The sockets: one UDP loop for all, a bounded number of TCP clients each with a thread.

The rule: no packet and no client ends a loop. TCP follows RFC 7766: several questions on one connection,
idle ones closed.
"""

import errno
import logging
import queue
import socket
import struct
import threading
import time
from functools import partial

from clusterdns.batches import Batch
from clusterdns.exchange import read_exactly
from clusterdns.forwarder import DEADLINE_S
from clusterdns.responder import Responder

log = logging.getLogger(__name__)

UDP_BUFFER_BYTES = 1 << 20  # bursts of many pods at once
JOIN_S = 2.0
SEND_S = 2.0
ACCEPT_PAUSE_S = 0.1  # after an accept failed: out of file descriptors


class UdpServer:
    """Answers datagrams in one thread; of a ready answer the system calls are the most part."""

    def __init__(self, responder: Responder, sock: socket.socket, *, udp_bytes: int) -> None:
        self._responder, self._sock = responder, sock
        self._batch = Batch(sock, udp_bytes)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="dns-udp", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer and close the socket."""
        self._stopping = True
        try:
            # Linux calls it an error for a socket without a peer, and wakes the reader all the same.
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
        self._thread.join(timeout=JOIN_S)
        self._sock.close()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._answer_all()
            except Exception:
                log.exception("datagram failed")

    def _answer_all(self) -> None:
        batch, zone, traffic, now = self._batch, self._responder.zone, self._responder.counts.udp, time.perf_counter

        def otherwise(data: bytes, slot: int) -> bytes | None:
            return self._responder.answer(data, partial(self._reply, batch.client(slot)))

        while not self._stopping:
            count = batch.receive()
            began = now()
            ready = batch.answer(count, zone.ready.messages, otherwise, traffic.given)
            if ready:
                traffic.gave_ready(ready, now() - began)

    def _reply(self, client: tuple[str, int], message: bytes) -> None:
        try:
            self._sock.sendto(message, client)
        except OSError as error:
            log.debug("reply failed client=%s error=%s", client, error)


class TcpServer:
    """Accepts in one thread and serves each client in one of its own; beyond the limit clients are refused."""

    def __init__(self, responder: Responder, sock: socket.socket, *, connections: int, idle_s: float) -> None:
        self._responder, self._sock = responder, sock
        self._limit, self._idle_s = connections, idle_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._thread = threading.Thread(target=self._accept_all, name="dns-tcp", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Start to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to accept, cut every client off, join the threads."""
        self._stopping.set()
        self._sock.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join(timeout=JOIN_S)
        self._sock.close()
        with self._lock:
            clients = dict(self._clients)
        for client in clients.values():
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("client gone already error=%s", error)
        for thread in clients:
            thread.join(timeout=DEADLINE_S + JOIN_S)

    def _accept_all(self) -> None:
        while not self._stopping.is_set():
            try:
                client, address = self._sock.accept()
            except OSError as error:
                if not self._stopping.wait(ACCEPT_PAUSE_S):
                    log.warning("accept failed error=%s", error)
                continue
            self._admit(client, address)

    def _admit(self, client: socket.socket, address: tuple[str, int]) -> None:
        with self._lock:
            if len(self._clients) < self._limit:
                thread = threading.Thread(target=self._serve, args=(client,), name=f"dns-tcp-{address[1]}", daemon=True)
                self._clients[thread] = client
                thread.start()
                return
        log.warning("client refused address=%s reason=limit connections=%d", address[0], self._limit)
        client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                while not self._stopping.is_set() and self._answer_one(client):
                    pass
        except OSError as error:  # TimeoutError of an idle client included
            log.debug("client ended error=%s", error)
        except Exception:
            log.exception("client failed")
        finally:
            with self._lock:
                del self._clients[threading.current_thread()]

    def _answer_one(self, client: socket.socket) -> bool:
        deadline = time.monotonic() + self._idle_s
        (size,) = struct.unpack("!H", read_exactly(client, 2, deadline))
        data = read_exactly(client, size, deadline)
        replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        message = self._responder.answer(data, replies.put, tcp=True)
        if message is None:
            try:
                message = replies.get(timeout=DEADLINE_S + JOIN_S)
            except queue.Empty:
                return False
        client.settimeout(SEND_S)
        client.sendall(struct.pack("!H", len(message)) + message)
        return True


def bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on the same port; OSError that names the address when taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((address, port))
        udp.bind((address, tcp.getsockname()[1]))
        tcp.listen(128)
    except OSError as error:
        udp.close()
        tcp.close()
        raise OSError(error.errno, f"listen on {address} port {port}: {error.strerror}") from error
    return udp, tcp
