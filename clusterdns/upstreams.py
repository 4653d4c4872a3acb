"""Which servers are asked for names that are not ours, and in which order.

The rule: never ourselves. A resolv.conf that names our own address (as a host does that uses the cluster's
names itself) would send every question round and round.
"""

import ipaddress
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

DNS_PORT = 53


class Server(NamedTuple):
    """Where to send a question; an IPv6 address may carry its zone (`fe80::1%eth0`)."""

    address: str
    port: int = DNS_PORT

    @property
    def ipv6(self) -> bool:
        """Whether it is reached over IPv6."""
        return ":" in self.address

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.ipv6 else f"{self.address}:{self.port}"


def parse_server(text: str) -> Server:
    """`address`, `address:port` or `[address]:port`; ValueError otherwise."""
    address, port = text, ""
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    ipaddress.ip_address(address)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
        raise ValueError(f"{text!r} has no valid port")
    return Server(address, int(port) if port else DNS_PORT)


def parse_resolv_conf(text: str) -> list[Server]:
    """The name servers of a resolv.conf, in order; what is no address is skipped, as glibc does."""
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            servers.append(Server(str(ipaddress.ip_address(words[1]))))
        except ValueError:
            log.warning("resolver skipped line=%r reason=no-address", line)
    return servers


class Upstreams:
    """The servers to ask, read again when the file changes, those that do not answer last."""

    def __init__(self, *, fixed: Sequence[Server], resolv_conf: Path, ourselves: Server) -> None:
        self._resolv_conf = resolv_conf
        self._ourselves = ourselves
        self._lock = threading.Lock()
        self._fixed = bool(fixed)
        self._servers = self._without_ourselves(fixed)
        self._seen: tuple[int, int] | None = None
        self._failed: set[Server] = set()
        self._failure = threading.Event()

    def in_order(self) -> list[Server]:
        """The servers to try, best first; none when the host has none but ourselves."""
        with self._lock:
            if not self._fixed:
                self._refresh()
            return sorted(self._servers, key=self._failed.__contains__)

    def failed(self, server: Server) -> None:
        """Ask this one last, until it works again."""
        with self._lock:
            if server not in self._failed:
                log.warning("resolver does not answer, asked last from now on server=%s", server)
                self._failed.add(server)
                self._failure.set()

    def worked(self, server: Server) -> None:
        """Ask this one in its turn again."""
        with self._lock:
            self._failed.discard(server)
            if not self._failed:
                self._failure.clear()

    def failing(self) -> list[Server]:
        """Those that are asked last."""
        with self._lock:
            return [server for server in self._servers if server in self._failed]

    def wait_for_failure(self) -> None:
        """Until there is one, or until `wake`."""
        self._failure.wait()

    def wake(self) -> None:
        """End the wait of who looks after failed ones, for good."""
        self._failure.set()

    def _refresh(self) -> None:
        """A file that is away or unreadable leaves the last known servers in use."""
        try:
            status = self._resolv_conf.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen == self._seen:
                return
            servers = self._without_ourselves(
                parse_resolv_conf(self._resolv_conf.read_text(encoding="utf-8", errors="replace"))
            )
        except OSError as error:
            if self._seen != (0, 0):
                log.warning("resolvers unreadable file=%s error=%s", self._resolv_conf, error)
            self._seen = (0, 0)
            return
        self._seen, self._servers, self._failed = seen, servers, set()
        self._failure.clear()
        log.info("resolvers read file=%s servers=%s", self._resolv_conf, ",".join(map(str, servers)) or "none")

    def _without_ourselves(self, servers: Sequence[Server]) -> list[Server]:
        kept = []
        for server in dict.fromkeys(servers):
            if server == self._ourselves:
                log.warning("resolver refused server=%s reason=it-is-ourselves", server)
            else:
                kept.append(server)
        return kept
