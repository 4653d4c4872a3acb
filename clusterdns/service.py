"""The DNS server in one piece: zone, forwarder and sockets put together from the configuration.

It knows nothing of a master: whoever has names puts them into `zone`.
"""

import socket

from clusterdns.cache import Cache, Limits
from clusterdns.config import Config
from clusterdns.counts import Counts, Forwarding
from clusterdns.forwarder import Forwarder
from clusterdns.responder import Responder
from clusterdns.server import TcpServer, UdpServer, bind
from clusterdns.upstreams import Server, Upstreams, parse_server
from clusterdns.zone import Zone


class DnsService:
    """Answers from `start` to `stop`; the sockets are bound when it is made."""

    def __init__(self, config: Config) -> None:
        udp, tcp = bind(config.listen_address, config.port)
        self._sockets = (udp, tcp)
        self._started = False
        self.port: int = udp.getsockname()[1]
        self.zone = Zone(
            domain=config.domain,
            address=config.listen_address,
            ttl_s=config.ttl_s,
            reverse_cidrs=config.reverse_cidrs,
        )
        self.counts = Counts()
        self.cache = Cache(config.cache_size, stale_s=config.cache_stale_s, counts=self.counts.cache)
        ourselves = Server(config.listen_address, self.port)
        self._forwarder = _forwarder(config, ourselves, self.cache, self.counts.forwarding)
        responder = Responder(self.zone, self._forwarder, self.counts, udp_bytes=config.udp_bytes, ttl_s=config.ttl_s)
        self._udp = UdpServer(responder, udp, udp_bytes=config.udp_bytes)
        self._tcp = _tcp_server(config, responder, tcp)

    @property
    def alive(self) -> bool:
        """Whether questions are read."""
        return self._udp.alive and self._tcp.alive

    def start(self) -> None:
        """Start the threads; the sockets come last, so that the first question finds all in place."""
        self._started = True
        self._forwarder.start()
        self._tcp.start()
        self._udp.start()

    def stop(self) -> None:
        """Answer what is under way, then close the sockets and join the threads; also when it was never started."""
        if not self._started:
            for sock in self._sockets:
                sock.close()
            return
        self._forwarder.stop()
        self._udp.stop()
        self._tcp.stop()


def _forwarder(config: Config, ourselves: Server, cache: Cache, counts: Forwarding) -> Forwarder:
    upstreams = Upstreams(
        fixed=[parse_server(each) for each in config.upstreams],
        resolv_conf=config.resolv_conf,
        ourselves=ourselves,
    )
    return Forwarder(
        upstreams,
        cache=cache,
        counts=counts,
        limits=Limits(positive_s=config.cache_ttl_s, negative_s=config.cache_negative_ttl_s),
        alias_ttl_s=config.ttl_s,
        timeout_s=config.upstream_timeout_s,
        workers=config.forward_workers,
        backlog=config.forward_queue,
    )


def _tcp_server(config: Config, responder: Responder, sock: socket.socket) -> TcpServer:
    return TcpServer(responder, sock, connections=config.tcp_connections, idle_s=config.tcp_idle_s)
