"""100 MB from pod to pod through the tunnel, beside the same hosts and the same router without it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.waiting import until
from tests.hosts.namespaces import Host, Hosts, Space, make_hosts

pytestmark = [pytest.mark.netns, pytest.mark.long]

_SIZE = 100_000_000
_ROUNDS = 5
_RECEIVE = """
import socket, time
with socket.create_server(("", 7002)) as door:
    print("up", flush=True)
    connection, _ = door.accept()
    with connection:
        began, size = time.monotonic(), 0
        while data := connection.recv(1 << 20):
            size += len(data)
        print(size, time.monotonic() - began)
"""
_SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 7002), 10) as connection:
    left, block = int(sys.argv[2]), bytes(1 << 20)
    while left:
        left -= connection.send(block[:left])
"""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = make_hosts()
    try:
        made.start()
        until(lambda: all(reached(host) for host in made.all), limit_s=60, what="ways")
        yield made
    finally:
        made.remove()


def reached(host: Host) -> bool:
    return len(host("ip", "-4", "route", "show", "proto", "84").splitlines()) == 2


def rate(sender: Space, receiver: Space, address: str) -> float:
    """Bytes a second, as the receiver sees them."""
    command = [*receiver.prefix, sys.executable, "-c", _RECEIVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiving:
        try:
            assert receiving.stdout is not None
            assert receiving.stdout.readline() == "up\n"
            sender(sys.executable, "-c", _SEND, address, str(_SIZE), limit_s=120)
            size, seconds = receiving.communicate(timeout=60)[0].split()
        finally:
            receiving.kill()
    assert int(size) == _SIZE, "whole"
    return _SIZE / float(seconds)


def test_through_the_tunnel_it_goes_at_better_than_half_the_plain_rate(hosts: Hosts, figures: dict[str, str]) -> None:
    near, far = hosts.near, hosts.far
    plain, tunnel = list[float](), list[float]()
    for _ in range(_ROUNDS):
        plain.append(rate(near, far, far.address))
        tunnel.append(rate(near.pod, far.pod, far.pod_address))
    figures["100 MB through the tunnel ÷ plain"] = (
        f"{max(tunnel) / max(plain):.2f} ({max(tunnel) / 1e6:.0f} MB/s, best of {_ROUNDS})"
    )
    assert max(tunnel) > max(plain) / 2
