"""The resolvers of glibc and musl, with a pod's resolv.conf, in a network namespace with a name server at port 53."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clusterdns.config import Config
from clusterdns.service import DnsService
from tests.clusterdns.conftest import SERVICES, Upstream
from tests.netproxy.networks import Namespace, namespace

pytestmark = pytest.mark.netns

HERE = Path(__file__).parent
COMPILERS = {"glibc": ("gcc",), "musl": ("musl-gcc", "-static")}
RESOLV_CONF = """\
nameserver 127.0.0.1
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
Resolve = Callable[..., list[str]]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Namespace, Upstream, Path]]:
    """A namespace where a name server runs, and beside it the one that it asks for other names."""
    folder = tmp_path_factory.mktemp("resolvers")
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    with namespace() as space:
        with space.inside():
            others = Upstream()
            config = Config(listen_address="127.0.0.1", port=53, interface="", resolv_conf=folder / "none")
            config = replace(config, state_file=folder / "names.json", upstreams=(others.address,))
            dns = DnsService(config)
            for each in SERVICES:
                dns.zone.put(each)
            dns.zone.mark_synced()
            dns.start()
        try:
            yield space, others, folder
        finally:
            dns.stop()
            others.close()


@pytest.fixture(scope="module", params=list(COMPILERS))
def resolve(request: pytest.FixtureRequest, upstream: tuple[Namespace, Upstream, Path]) -> Resolve:
    """What a program linked with that library gets, sorted."""
    space, _others, folder = upstream
    program = folder / request.param
    subprocess.run([*COMPILERS[request.param], "-o", program, HERE / "resolve.c"], check=True, timeout=60)
    script = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec {program} "$@"'

    def ask(*words: str) -> list[str]:
        return sorted(space.run("unshare", "--mount", "sh", "-c", script, "resolve", *words).split("\n")[:-1])

    return ask


@pytest.mark.parametrize("name", ["frontend", "frontend.default", "frontend.default.svc.cluster.local"])
def test_a_service_is_found_by_its_short_and_long_names(resolve: Resolve, name: str) -> None:
    assert resolve(name) == ["10.96.0.7"]


def test_an_address_has_its_service_as_name(resolve: Resolve) -> None:
    assert resolve("-x", "10.96.0.7") == ["frontend.default.svc.cluster.local"]


def test_what_is_not_there_does_not_exist(resolve: Resolve) -> None:
    assert resolve("absent.default.svc.cluster.local") == ["no such name"]
    assert resolve("-x", "10.96.77.7") == ["no such name"]


def test_a_name_of_outside_is_found_past_the_search_path(
    resolve: Resolve, upstream: tuple[Namespace, Upstream, Path]
) -> None:
    _space, others, _folder = upstream
    others.records["db.example.com", "A"] = "db.example.com. 60 IN A 192.0.2.7"
    assert resolve("db.example.com") == ["192.0.2.7"]
    assert not [asked for asked in others.asked if "cluster.local" in asked], "the search path costs no resolver"


def test_an_alias_leads_to_its_target(resolve: Resolve, upstream: tuple[Namespace, Upstream, Path]) -> None:
    _space, others, _folder = upstream
    others.records["db.example.com", "A"] = "db.example.com. 60 IN A 192.0.2.7"
    assert resolve("far") == ["192.0.2.7"]


def test_more_addresses_than_a_datagram_holds(resolve: Resolve, request: pytest.FixtureRequest) -> None:
    """glibc asks again by TCP; musl before 1.2.4 takes what is there."""
    every = {f"10.244.1.{number}" for number in range(1, 201)}
    found = set(resolve("many"))
    assert found
    assert found <= every
    assert found == every or request.node.callspec.params["resolve"] == "musl"
