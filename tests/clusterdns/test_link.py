"""The address in a network namespace of the test's own."""

import ctypes
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clusterdns import keeper
from clusterdns.config import Config
from clusterdns.keeper import AddressKeeper
from clusterdns.link import LinkError, ensure_address, remove_address
from clusterdns.records import ServiceNames
from clusterdns.service import DnsService

ADDRESS = "169.254.20.10"
NAME = "steer-dns"
CLONE_NEWNET = 0x40000000

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces, which takes root"),
]


class Namespace:
    """A network namespace; `run` calls something inside it, in a thread that lives for that call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, call: Callable[..., str], *words: str) -> str:
        results: list[str] = []
        errors: list[Exception] = []

        def inside() -> None:
            try:
                with Path(f"/run/netns/{self.name}").open() as handle:
                    libc = ctypes.CDLL(None, use_errno=True)
                    assert libc.setns(handle.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
                results.append(call(*words))
            except (LinkError, OSError) as error:
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join(20)
        if errors:
            raise errors[0]
        return results[0]

    def ip(self, *words: str) -> str:
        command = ["ip", "-n", self.name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout


@pytest.fixture
def netns() -> Iterator[Namespace]:
    with new_namespace() as namespace:
        yield namespace


@contextmanager
def new_namespace() -> Iterator[Namespace]:
    name = f"dnstest-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    try:
        namespace = Namespace(name)
        namespace.ip("link", "set", "lo", "up")
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)


def has_dummy(netns: Namespace) -> bool:
    """Whether this kernel knows dummy interfaces."""
    try:
        netns.ip("link", "add", "probe0", "type", "dummy")
    except subprocess.CalledProcessError:
        return False
    netns.ip("link", "delete", "probe0")
    return True


def test_the_address_is_put_in_place_adopted_and_removed(netns):
    assert "added" in netns.run(ensure_address, NAME, ADDRESS)
    before = netns.ip("-o", "address")
    assert f"inet {ADDRESS}/32" in before
    assert "added" not in netns.run(ensure_address, NAME, ADDRESS)
    assert netns.ip("-o", "address") == before
    assert "removed" in netns.run(remove_address, NAME, ADDRESS)
    assert ADDRESS not in netns.ip("-o", "address")
    assert "127.0.0.1/8" in netns.ip("-o", "address")
    assert "is not there" in netns.run(remove_address, NAME, ADDRESS)


def test_a_dummy_interface_carries_it_where_the_kernel_has_them(netns):
    if not has_dummy(netns):
        pytest.skip("this kernel has no dummy interfaces")
    netns.ip("link", "add", NAME, "type", "dummy")  # as a start that died half way leaves it
    assert netns.run(ensure_address, NAME, ADDRESS) == f"address {ADDRESS} added on {NAME}"
    assert "UP" in netns.ip("link", "show", NAME)
    assert netns.run(remove_address, NAME, ADDRESS) == f"interface {NAME} removed"


def test_loopback_carries_it_where_the_kernel_has_no_dummy(netns):
    if has_dummy(netns):
        pytest.skip("this kernel has dummy interfaces")
    netns.run(ensure_address, NAME, ADDRESS)
    assert f"lo:{NAME}" in netns.ip("-o", "address", "show", "lo")


def test_an_address_of_someone_else_is_used_and_left(netns):
    netns.ip("link", "add", "theirs", "type", "bridge")
    netns.ip("address", "add", f"{ADDRESS}/24", "dev", "theirs")
    assert netns.run(ensure_address, NAME, ADDRESS) == f"address {ADDRESS} is on theirs"
    assert "is not there" in netns.run(remove_address, NAME, ADDRESS)
    assert f"{ADDRESS}/24" in netns.ip("-o", "address")


def test_an_address_on_loopback_without_our_label_is_left(netns):
    netns.ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    assert netns.run(ensure_address, NAME, ADDRESS) == f"address {ADDRESS} is on lo"
    assert "is not there" in netns.run(remove_address, NAME, ADDRESS)
    assert f"{ADDRESS}/32" in netns.ip("-o", "address")


def test_an_interface_of_another_kind_is_neither_used_nor_removed(netns):
    netns.ip("link", "add", NAME, "type", "bridge")
    with pytest.raises(LinkError, match="is not a dummy interface"):
        netns.run(ensure_address, NAME, ADDRESS)
    netns.run(remove_address, NAME, ADDRESS)
    assert NAME in netns.ip("link")


def test_an_address_that_was_taken_away_comes_back_when_the_kernel_tells_of_it(netns, monkeypatch):
    monkeypatch.setattr(keeper, "LOOK_S", 10_000.0)
    made: list[AddressKeeper] = []

    def keep() -> str:
        made.append(AddressKeeper(NAME, ADDRESS))
        made[0].start()
        return "kept"

    netns.run(ensure_address, NAME, ADDRESS)
    netns.run(keep)
    try:
        for _ in range(2):
            netns.run(remove_address, NAME, ADDRESS)
            wait_until_there(netns)
    finally:
        made[0].stop()
    netns.run(remove_address, NAME, ADDRESS)
    assert ADDRESS not in netns.ip("-o", "address"), "nobody looks after it any more"


def wait_until_there(netns: Namespace) -> None:
    limit = time.monotonic() + 60
    while f"inet {ADDRESS}/32" not in netns.ip("-o", "address"):
        assert time.monotonic() < limit, netns.ip("-o", "address")
        time.sleep(0.05)


def test_a_pod_behind_its_gateway_reaches_the_address(netns, config: Config):
    """A pod has a default route to the node and nothing else; the answer must come back the same way."""
    started: list[DnsService] = []

    def serve() -> str:
        started.append(DnsService(replace(config, listen_address=ADDRESS, port=53)))
        return "bound"

    with new_namespace() as pod:
        netns.ip("link", "add", "gateway", "type", "veth", "peer", "name", "eth0", "netns", pod.name)
        netns.ip("address", "add", "10.244.0.1/24", "dev", "gateway")
        netns.ip("link", "set", "gateway", "up")
        pod.ip("address", "add", "10.244.0.2/24", "dev", "eth0")
        pod.ip("link", "set", "eth0", "up")
        pod.ip("route", "add", "default", "via", "10.244.0.1")
        netns.run(ensure_address, NAME, ADDRESS)
        netns.run(serve)
        (dns,) = started
        try:
            dns.zone.put(ServiceNames("default", "web", addresses=("10.96.0.7",)))
            dns.start()
            for transport in ("+notcp", "+tcp"):
                command = ["ip", "netns", "exec", pod.name, "dig", f"@{ADDRESS}", transport, "+short"]
                command += ["+time=5", "web.default.svc.cluster.local"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
                assert done.stdout == "10.96.0.7\n", done.stdout + done.stderr
        finally:
            dns.stop()
