"""Many questions by one system call: each is answered once, to whom it asked, whatever stands beside it."""

import socket

import pytest
from dnslib import DNSRecord

from clusterdns.batches import SLOTS, Batch

PEERS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


def ask(sock: socket.socket, number: int, name: str) -> None:
    packet = bytearray(DNSRecord.question(f"{name}.default.svc.cluster.local").pack())
    packet[:2] = number.to_bytes(2, "big")
    sock.send(bytes(packet))


def test_a_burst_is_answered_whole_among_bad_packets_and_questions_for_others(dns):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", dns.port))
        for number in range(3 * SLOTS):
            ask(sock, number, "frontend")
            sock.send(b"" if number % 3 else b"\xff" * 5000)
        answered = {int.from_bytes(sock.recv(4096)[:2], "big") for _ in range(3 * SLOTS)}
    assert answered == set(range(3 * SLOTS))


def test_each_client_gets_its_own_answer(dns):
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SLOTS + 5)]
    try:
        for number, sock in enumerate(clients):
            sock.settimeout(10)
            sock.connect(("127.0.0.1", dns.port))
            ask(sock, number, "frontend" if number % 2 else "absent")
        for number, sock in enumerate(clients):
            answer = DNSRecord.parse(sock.recv(4096))
            assert answer.header.id == number
            assert answer.header.rcode == (0 if number % 2 else 3)
    finally:
        for sock in clients:
            sock.close()


@pytest.mark.parametrize(("family", "address"), PEERS)
def test_clients_are_known_in_both_families(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        server.bind((address, 0))
        server.settimeout(10)
        client.settimeout(10)
        client.connect(server.getsockname())
        batch = Batch(server, 512)
        for text in (b"01ready", b"02later", b"03long", b"04never"):
            client.send(text)
        seen: list[tuple[bytes, tuple[str, int]]] = []

        def otherwise(data: bytes, slot: int) -> bytes | None:
            seen.append((data, batch.client(slot)))
            return {b"02later": b"02 is late", b"03long": b"03" * 400}.get(data)

        given = [0, 0]
        while len(seen) < 3:
            batch.answer(batch.receive(), {b"ready": b"\1 is here"}, otherwise, given)
        assert [data for data, _client in seen] == [b"02later", b"03long", b"04never"]
        assert {peer for _data, peer in seen} == {client.getsockname()[:2]}
        assert [client.recv(512), client.recv(512)] == [b"01 is here", b"02 is late"]
        assert given == [0, 1]


def test_a_client_that_cannot_be_reached_costs_no_other_its_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        batch = Batch(server, 512)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(server.getsockname())
            client.send(b"01a")
            client.send(b"02a")
            assert batch.receive() >= 1
            batch._names[2:4] = b"\0\0"  # port 0: the kernel refuses to send there
            batch.answer(2, {b"a": b"\0b"}, lambda _data, _slot: None, [0])
            assert client.recv(512) == b"02b"
