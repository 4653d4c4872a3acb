"""When changes become names."""

from pathlib import Path

import pytest

from clusterdns.names import wire_name
from clusterdns.records import Endpoint, ServiceNames
from clusterdns.snapshot import load_names, save_names
from clusterdns.sync import NameSync
from clusterdns.wire import Query, kind_of
from clusterdns.zone import Zone
from tests.e2e.waiting import until

REDIS = ServiceNames("default", "redis", endpoints=(Endpoint("10.244.0.5"),))
WEB = ServiceNames("default", "web", addresses=("10.96.0.1",))


@pytest.fixture
def zone() -> Zone:
    return Zone(domain="cluster.local", address="127.0.0.1", ttl_s=5, reverse_cidrs=())


def rcode(zone: Zone, name: str) -> int:
    wire = wire_name(f"{name}.default.svc.cluster.local")
    found = zone.lookup(Query(b"\0\0", 1, 0, wire, kind_of(1), wire + kind_of(1), 512, False, False))
    return found.rcode


def test_restored_names_stay_until_everything_is_listed(zone: Zone, tmp_path: Path):
    state = tmp_path / "names.json"
    save_names(state, [REDIS])
    looked_up: list[tuple[str, str]] = []

    def lookup(key: tuple[str, str]) -> ServiceNames | None:
        looked_up.append(key)
        return WEB if key == ("default", "web") else None

    sync = NameSync(zone, lookup, state_file=state)
    sync.restore()
    sync.start()
    try:
        sync.changed([("default", "redis")])  # listed, but its endpoints are not
        assert sync._take_dirty() == set()
        assert (rcode(zone, "redis"), rcode(zone, "web")) == (0, 3)
        assert looked_up == []
        sync.all_listed({("default", "web")})
        until(lambda: rcode(zone, "web") == 0)
        until(lambda: rcode(zone, "redis") == 3)
        until(lambda: load_names(state) == [WEB])
    finally:
        sync.stop()


def test_a_stop_saves_what_is_not_saved_yet(zone: Zone, tmp_path: Path):
    state = tmp_path / "dns" / "names.json"
    sync = NameSync(zone, lambda _key: WEB, state_file=state)
    sync.start()
    sync.all_listed({("default", "web")})
    sync.stop()
    assert load_names(state) == [WEB]


def test_a_disk_that_will_not_is_logged_and_names_are_answered(zone: Zone, tmp_path: Path, caplog):
    (tmp_path / "file").write_text("")
    sync = NameSync(zone, lambda _key: WEB, state_file=tmp_path / "file" / "names.json")
    sync.start()
    sync.all_listed({("default", "web")})
    sync.stop()
    assert "names not saved" in caplog.text
    assert rcode(zone, "web") == 0
