"""A member of three is killed or frozen, and no caller hears of it; and who may talk to a member at all."""

import asyncio
import datetime
import ipaddress
import itertools
import shutil
import signal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.store.contract import StoreBroken, StoreUnusable
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from tests.store.etcd_members import Members

LIMIT_S = 30
SETTINGS = {"request_timeout_s": 1.0, "probe_s": 1.0}


@pytest.fixture
def three(tmp_path):
    with Members(tmp_path / "etcd", 3) as members:
        yield members


def leader_of(members):
    """The member that leads."""
    for member in members.members:
        status = member.post("/v3/maintenance/status", b"{}")
        if status["leader"] == status["header"]["member_id"]:
            return member
    raise AssertionError("no leader")


def led_first(members, leader):
    """The endpoints with the leader's first: that is the one calls and the watch begin with."""
    return (leader.url, *(url for url in members.endpoints if url != leader.url))


async def write_through(stores, disturb):
    """Both masters count on keys of their own while a member is disturbed; every call must succeed."""
    heard = [[], []]
    for store, changes in zip(stores, heard, strict=True):
        store.subscribe(changes.extend)
    disturbed = asyncio.Event()

    async def count(store, key):
        revisions = [await store.create(key, b"0")]
        steps_left = 20
        while steps_left:
            revisions.append(await store.update(key, b"%d" % len(revisions), expected=revisions[-1]))
            steps_left -= disturbed.is_set()
        return revisions

    async def disturbance():
        await asyncio.sleep(0)
        while len(heard[0]) < 50:
            await asyncio.sleep(0.01)
        await disturb()
        disturbed.set()

    counts = [count(store, f"/counters/{n}-{m}") for n, store in enumerate(stores) for m in range(4)]
    *written, _ = await asyncio.gather(*counts, disturbance())
    revisions = sorted(itertools.chain(*written))
    async with asyncio.timeout(LIMIT_S):
        while any(store.revision < revisions[-1] for store in stores):
            await asyncio.sleep(0.01)
    assert [change.revision for change in heard[0]] == revisions
    assert heard[0] == heard[1]
    assert stores[0].load("") == stores[1].load("")


async def two_masters(endpoints):
    stores = [EtcdStore(EtcdOptions(endpoints=endpoints, **SETTINGS)) for _ in range(2)]
    for store in stores:
        await store.open()
    return stores


async def test_a_killed_leader_costs_time_and_no_error(three):
    leader = leader_of(three)
    stores = await two_masters(led_first(three, leader))

    async def kill():
        leader.kill()

    try:
        await write_through(stores, kill)
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_frozen_leader_costs_time_and_no_error_also_when_it_wakes(three):
    leader = leader_of(three)
    stores = await two_masters(led_first(three, leader))

    async def freeze():
        leader.signal(signal.SIGSTOP)
        # Something was written by the others: the frozen one was left.
        before = max(store.revision for store in stores)
        while min(store.revision for store in stores) < before + 20:
            await asyncio.sleep(0.01)
        leader.signal(signal.SIGCONT)

    try:
        await write_through(stores, freeze)
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_an_idle_master_leaves_a_frozen_member_and_hears_what_others_write(three):
    leader = leader_of(three)
    others = tuple(url for url in three.endpoints if url != leader.url)
    idle = EtcdStore(EtcdOptions(endpoints=led_first(three, leader), **SETTINGS))
    writer = EtcdStore(EtcdOptions(endpoints=others, **SETTINGS))
    for store in (idle, writer):
        await store.open()
    try:
        watch = idle.watch("", None)
        leader.signal(signal.SIGSTOP)
        revision = await writer.create("/a", b"")
        assert [change.revision for change in await asyncio.wait_for(watch.get(), LIMIT_S)] == [revision]
    finally:
        await asyncio.gather(*(store.close() for store in (idle, writer)))


async def test_without_a_quorum_writes_wait_for_it(three):
    stores = await two_masters(three.endpoints)
    killed = three.members[1:]
    try:
        await stores[0].create("/a", b"1")
        for member in killed:
            member.kill()
        write = asyncio.ensure_future(stores[0].update("/a", b"2", expected=None))
        done, _ = await asyncio.wait({write}, timeout=1.5)
        assert not done
        for member in killed:
            member.start()
        revision = await asyncio.wait_for(write, LIMIT_S)
        async with asyncio.timeout(LIMIT_S):
            while stores[1].revision < revision:
                await asyncio.sleep(0.01)
    finally:
        await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("noticed_by", ["write", "probe"])
async def test_an_etcd_that_lost_its_data_gets_no_more_writes(tmp_path, noticed_by):
    with Members(tmp_path / "etcd") as members:
        [member] = members.members
        probe_s = 0.2 if noticed_by == "probe" else 60.0
        store = EtcdStore(EtcdOptions(endpoints=members.endpoints, probe_s=probe_s, request_timeout_s=1.0))
        await store.open()
        for n in range(10):
            await store.create(f"/pods/{n}", b"")
        watch = store.watch("", None)
        member.kill()
        shutil.rmtree(members.folder / member.name)
        member.start()
        await asyncio.to_thread(members.wait)
        if noticed_by == "probe":
            assert [batch async for batch in watch] == []
        for _ in range(2):
            with pytest.raises(StoreBroken, match="went back from revision"):
                await store.create("/pods/new", b"")
        await store.close()


def certificate(folder, name, issuer=None):
    """Write NAME.pem and NAME.key; one for both sides of TLS, since etcd's gateway calls itself with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if issuer is None else [])
    now = datetime.datetime.now(datetime.UTC)
    signer, signer_name = issuer or (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=issuer is not None,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    (folder / f"{name}.pem").write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key, subject


async def test_masters_and_members_show_certificates(tmp_path):
    ca = certificate(tmp_path, "ca")
    certificate(tmp_path, "member", ca)
    certificate(tmp_path, "master", ca)
    certificate(tmp_path, "stranger")
    tls = {
        "cert-file": tmp_path / "member.pem",
        "key-file": tmp_path / "member.key",
        "trusted-ca-file": tmp_path / "ca.pem",
    }
    with Members(tmp_path / "etcd", tls=tls) as members:
        given = {"endpoints": members.endpoints, "ca_file": tmp_path / "ca.pem", "open_timeout_s": 0.5}
        shown = EtcdOptions(**given, cert_file=tmp_path / "master.pem", key_file=tmp_path / "master.key")
        store = EtcdStore(shown)
        await store.open()
        assert await store.create("/a", b"") == store.revision
        await store.close()
        for wrong in (
            EtcdOptions(**given),
            EtcdOptions(**given, cert_file=tmp_path / "stranger.pem", key_file=tmp_path / "stranger.key"),
            EtcdOptions(**{**given, "ca_file": tmp_path / "stranger.pem"}),
        ):
            with pytest.raises(StoreUnusable):
                await EtcdStore(wrong).open()
        with pytest.raises(StoreUnusable, match="certificate files"):
            await EtcdStore(EtcdOptions(**{**given, "ca_file": tmp_path / "none.pem"})).open()
