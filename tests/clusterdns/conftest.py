"""A DNS service on a free port of loopback, an upstream server to forward to, and dig to ask with."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from dnslib import QTYPE, RR, DNSRecord

from clusterdns.config import Config
from clusterdns.records import Endpoint, Port, ServiceNames
from clusterdns.server import bind
from clusterdns.service import DnsService

WEB = Port("http", "TCP", 80)
SERVICES = (
    ServiceNames("default", "frontend", addresses=("10.96.0.7",), ports=(WEB, Port("dns", "UDP", 53))),
    ServiceNames(
        "default",
        "redis",
        endpoints=(
            Endpoint("10.244.0.5", "redis-0", True, (WEB,)),
            Endpoint("10.244.0.6", "", True, (WEB,)),
            Endpoint("10.244.0.9", "redis-9", False, (WEB,)),
        ),
    ),
    ServiceNames("data", "early", publish_not_ready=True, endpoints=(Endpoint("10.244.0.8", "early-0", False),)),
    ServiceNames("data", "asleep", endpoints=(Endpoint("10.244.0.8", "asleep-0", False),)),
    ServiceNames("default", "far", external_name="db.example.com"),
    ServiceNames("default", "near", external_name="frontend.default.svc.cluster.local"),
    ServiceNames("default", "ring", external_name="ring.default.svc.cluster.local"),
    ServiceNames("default", "both", addresses=("10.96.0.20", "fd00:96::20"), ports=(WEB,)),
    ServiceNames("default", "six", endpoints=(Endpoint("fd00:244::5", "six-0", True, (WEB,)), Endpoint("fd00:244::6"))),
    ServiceNames("default", "many", endpoints=tuple(Endpoint(f"10.244.1.{n}") for n in range(1, 201))),
)


@dataclass
class Upstream:
    """A real UDP and TCP server whose answers a test writes down: text of records by name and type."""

    records: dict[tuple[str, str], str] = field(default_factory=dict)
    rcode: int = 0
    truncate: bool = False
    mangle: Callable[[bytes], list[bytes]] = lambda reply: [reply]
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.udp, self.tcp = bind("127.0.0.1", 0)
        self.threads = [threading.Thread(target=self._serve_udp), threading.Thread(target=self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.udp.getsockname()[1]}"

    def close(self) -> None:
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                assert sock is self.udp  # not connected, and woken all the same
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        self.udp.close()
        self.tcp.close()

    def _reply(self, data: bytes) -> DNSRecord:
        query = DNSRecord.parse(data)
        reply = query.reply(aa=0)
        reply.header.rcode = self.rcode
        name, qtype = str(query.q.qname).lower().rstrip("."), QTYPE[query.q.qtype]
        self.asked.append(f"{name} {qtype}")
        text = self.records.get((name, qtype), "")
        for record in RR.fromZone(text) if text else []:
            (reply.add_auth if record.rtype == QTYPE.SOA else reply.add_answer)(record)
        return reply

    def _serve_udp(self) -> None:
        while True:
            data, client = self.udp.recvfrom(4096)
            if not data:
                return
            reply = self._reply(data)
            if self.truncate:
                reply.rr, reply.header.tc = [], 1
            for packet in self.mangle(bytes(reply.pack())):
                self.udp.sendto(packet, client)

    def _serve_tcp(self) -> None:
        while True:
            try:
                client, _address = self.tcp.accept()
            except OSError:
                return
            with client:
                size = int.from_bytes(client.recv(2, socket.MSG_WAITALL), "big")
                packed = bytes(self._reply(client.recv(size, socket.MSG_WAITALL)).pack())
                client.sendall(len(packed).to_bytes(2, "big") + packed)


@dataclass
class Dns:
    """A running service under test."""

    service: DnsService
    address: str = "127.0.0.1"

    @property
    def port(self) -> int:
        return self.service.port

    def dig(self, *words: str) -> str:
        """What a real dig prints for these words."""
        command = ["dig", f"@{self.address}", "-p", str(self.port), "+time=10", "+tries=1", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def short(self, *words: str) -> list[str]:
        """The answers alone, sorted."""
        return sorted(self.dig(*words, "+short").splitlines())

    def ask(self, name: str, qtype: str = "A") -> DNSRecord:
        """One question over UDP without EDNS."""
        return DNSRecord.parse(self.raw(bytes(DNSRecord.question(name, qtype).pack())))

    def raw(self, packet: bytes, timeout_s: float = 10) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(("127.0.0.1", self.port))
            sock.send(packet)
            return sock.recv(65535)


StartDns = Callable[..., Dns]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        listen_address="127.0.0.1",
        port=0,
        interface="",
        resolv_conf=tmp_path / "resolv.conf",
        metrics_port=0,
        health_port=0,
        ready_port=0,
        state_file=tmp_path / "names.json",
        upstream_timeout_s=1.5,
    )


@pytest.fixture
def start_dns(config: Config) -> Iterator[StartDns]:
    """Start a service with settings changed from the usual; all are stopped at the end."""
    started: list[DnsService] = []

    def start(*, services: tuple[ServiceNames, ...] = SERVICES, synced: bool = True, **changes: object) -> Dns:
        service = DnsService(replace(config, **changes))  # type: ignore[arg-type]
        started.append(service)
        for each in services:
            service.zone.put(each)
        if synced:
            service.zone.mark_synced()
        service.start()
        return Dns(service, str(changes.get("listen_address", config.listen_address)))

    if shutil.which("dig") is None:
        pytest.fail("dig is missing: install dnsutils")
    yield start
    for service in started:
        service.stop()
    names = {"dns-udp", "dns-tcp"}
    assert not [thread for thread in threading.enumerate() if thread.name in names]


@pytest.fixture
def dns(start_dns: StartDns) -> Dns:
    """A service with the usual names and no upstream."""
    return start_dns()
