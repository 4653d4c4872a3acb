"""Several masters over one etcd: each sees all writes in one order, whatever goes wrong on the way."""

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from master.store.contract import (
    Change,
    Compacted,
    InvalidWrite,
    KeyExists,
    OutcomeUnknown,
    Record,
    RevisionConflict,
    StoreBroken,
    StoreUnusable,
)
from master.store.etcd.client import EtcdClient
from master.store.etcd.compaction import compact_once
from master.store.etcd.layout import Layout, Marker, WriteIds, seal, unseal
from master.store.etcd.messages import HeaderAnswer
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from tests.store.conftest import new_prefix

LIMIT_S = 20


async def until(condition):
    """Wait until the condition holds, within a limit."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def options(etcd):
    def make(**settings):
        given = {"endpoints": etcd.endpoints, "prefix": new_prefix(), "request_timeout_s": 1.0, **settings}
        return EtcdOptions(**given)

    return make


@asynccontextmanager
async def masters(options, count):
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            store = EtcdStore(options)
            await store.open()
            stack.push_async_callback(store.close)
            opened.append(store)
        yield opened


def never(_flow, _data):
    return False


def always(_flow, _data):
    return True


class Cutter:
    """A member's address that forwards to it and cuts connections, with the answer on its way or before it."""

    def __init__(self, url):
        _, _, address = url.partition("://")
        self.host, _, port = address.partition(":")
        self.port = int(port)
        # Asked for each piece that passes, with "request" or "answer" and its bytes: cut now?
        self.cut = never
        self.tasks = set()
        self.writers = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the turn in which their sockets are closed

    def accept(self, reader, writer):
        # Not a coroutine: asyncio reports a cancelled one as an error of its own.
        self.writers.append(writer)
        task = asyncio.create_task(self.serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, reader, writer):
        pumps = []
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
            self.writers.append(up_writer)
            flows = [self.flow(reader, up_writer, "request"), self.flow(up_reader, writer, "answer")]
            pumps = [asyncio.ensure_future(flow) for flow in flows]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            up_writer.transport.abort()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()

    async def flow(self, reader, writer, direction):
        while data := await reader.read(65536):
            if direction == "request" and self.cut(direction, data):
                writer.write(data)  # received, and nobody is there for the answer
                await writer.drain()
                await asyncio.sleep(random.random() * 0.01)
                return
            if self.cut(direction, data):
                return
            writer.write(data)
            await writer.drain()


async def test_each_master_sees_the_others_writes_in_order(options):
    async with masters(options(), 2) as (one, two):
        heard = [[], []]
        for store, changes in zip((one, two), heard, strict=True):
            store.subscribe(changes.extend)
        written = await asyncio.gather(
            *(store.create(f"/pods/{name}/{n}", b"") for name, store in (("a", one), ("b", two)) for n in range(40))
        )
        await until(lambda: one.revision == two.revision == max(written))
        assert heard[0] == heard[1]
        assert [change.revision for change in heard[0]] == sorted(written)
        assert one.load("") == two.load("")


async def test_what_another_master_wrote_is_never_denied(options):
    async with masters(options(), 2) as (one, two):
        for n in range(30):
            revision = await one.create(f"/pods/{n}", b"1")
            # The other one may not have heard of it yet.
            revision = await two.update(f"/pods/{n}", b"2", expected=revision)
            await one.delete(f"/pods/{n}", expected=revision)
            assert await two.create(f"/pods/{n}", b"3") > revision


async def test_of_masters_that_expect_the_same_revision_one_wins(options):
    async with masters(options(), 3) as stores:
        revision = await stores[0].create("/leases/leader", b"")
        results = await asyncio.gather(
            *(store.update("/leases/leader", b"same", expected=revision) for store in stores), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["RevisionConflict", "RevisionConflict", "int"]
        created = await asyncio.gather(
            *(store.create("/leases/other", b"same") for store in stores), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in created) == ["KeyExists", "KeyExists", "int"]


async def test_masters_that_count_together_lose_no_step(options):
    async with masters(options(), 3) as stores:
        await stores[0].create("/counter", b"0")
        await until(lambda: all(store.get("/counter") for store in stores))

        async def count(store):
            for _ in range(15):
                await increment(store, "/counter")

        await asyncio.gather(*(count(store) for store in stores))
        await until(lambda: all(store.get("/counter").value == b"45" for store in stores))


async def increment(store, key):
    """Read, add one, write with the revision read, until it succeeds."""
    while True:
        record = store.get(key)
        try:
            return await store.update(key, b"%d" % (int(record.value) + 1), expected=record.revision)
        except RevisionConflict:
            pass


async def test_an_answer_that_is_lost_is_resolved_by_what_was_written(options, etcd):
    async with (
        Cutter(etcd.endpoints[0]) as cutter,
        masters(options(endpoints=(cutter.url,)), 1) as (store,),
    ):
        for operation in (
            lambda: store.create("/a", b"1"),
            lambda: store.update("/a", b"2", expected=None),
            lambda: store.delete("/a", expected=None),
            lambda: store.create("/a", b"3"),
        ):
            cuts = iter([True])
            cutter.cut = lambda flow, data, cuts=cuts: (
                flow == "answer" and b'"succeeded":true' in data and next(cuts, False)
            )
            before = store.revision
            assert await operation() == before + 1 == store.revision
            assert next(cuts, None) is None
        assert store.get("/a").value == b"3"


async def test_connections_cut_at_random_lose_and_double_nothing(options, etcd):
    """Steps of a counter, creates and deletes of one key: each outcome told is the one in the store."""
    async with (
        # Two ways to one member, both cut: a client stays where it was answered, and one way left whole would be where
        # all of them stay from the first cut on.
        Cutter(etcd.endpoints[0]) as cutter,
        Cutter(etcd.endpoints[0]) as other,
        masters(options(), 1) as (witness,),
    ):
        changes = []
        witness.subscribe(changes.extend)
        through = options(endpoints=(cutter.url, other.url), prefix=witness.options.prefix, connections=8)
        async with masters(through, 2) as stores:
            for n in range(4):
                await stores[0].create(f"/counters/{n}", b"0")
            await until(lambda: stores[1].revision == stores[0].revision)
            cuts = []
            cutter.cut = other.cut = lambda flow, _: random.random() < 0.05 and cuts.append(flow) is None
            revisions, made = [], []

            async def count(store, key):
                for _ in range(20):
                    revisions.append(await increment(store, key))

            async def come_and_go(store, key):
                for _ in range(20):
                    made.append(await store.create(key, b"same"))
                    made.append(await store.delete(key, expected=None))

            await asyncio.gather(
                *(count(store, f"/counters/{n}") for n in range(4) for store in stores),
                *(come_and_go(store, f"/flags/{n}") for n, store in enumerate(stores)),
            )
            cutter.cut = other.cut = never
        assert {"request", "answer"} == set(cuts)
        await until(lambda: witness.revision >= max(revisions + made))
    told = [change for change in changes if change.key.startswith("/counters/") and not change.created]
    assert sorted(revisions) == [change.revision for change in told]
    assert {record.value for record in witness_counters(changes)} == {b"40"}
    assert sorted(made) == [change.revision for change in changes if change.key.startswith("/flags/")]


def witness_counters(changes):
    last = {change.key: change for change in changes if change.key.startswith("/counters/")}
    return [Record(change.key, change.value, change.revision) for change in last.values()]


async def test_a_write_that_nobody_answers_is_reported_as_unknown(options, etcd):
    async with (
        Cutter(etcd.endpoints[0]) as cutter,
        masters(options(endpoints=(cutter.url,), write_timeout_s=0.6), 1) as (store,),
    ):
        cutter.cut = lambda flow, _: flow == "answer"
        with pytest.raises(OutcomeUnknown):
            await store.create("/a", b"1")
        cutter.cut = never
        await until(lambda: store.get("/a") is not None)  # and here it had been made
        assert await store.update("/a", b"2", expected=None) == store.revision


async def test_a_write_that_reaches_nobody_is_known_not_to_be_made(options, etcd):
    async with (
        Cutter(etcd.endpoints[0]) as cutter,
        masters(options(endpoints=(cutter.url,), write_timeout_s=0.5), 1) as (store,),
    ):
        cutter.server.close()
        for task in list(cutter.tasks):
            task.cancel()
        await until(lambda: not cutter.tasks)
        with pytest.raises(StoreBroken) as refusal:
            await store.create("/a", b"1")
        assert not isinstance(refusal.value, OutcomeUnknown)


async def compact(etcd, options, revision):
    client = EtcdClient(options)
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    await client.call("/v3/kv/compaction", {"revision": revision, "physical": True}, HeaderAnswer, deadline=deadline)
    client.close()


async def test_changes_compacted_unseen_are_told_as_a_difference(options, etcd):
    async with Cutter(etcd.endpoints[0]) as cutter, masters(options(), 1) as (writer,):
        behind = options(endpoints=(cutter.url,), prefix=writer.options.prefix)
        async with masters(behind, 1) as (store,):
            for name in ("kept", "changed", "dropped", "remade"):
                await writer.create(f"/pods/{name}", b"1")
            await until(lambda: store.revision == writer.revision)
            start, heard, watch = store.revision, [], store.watch("/pods/", None)
            store.subscribe(heard.extend)
            cutter.cut = always
            await writer.update("/pods/changed", b"2", expected=None)
            await writer.delete("/pods/dropped", expected=None)
            await writer.delete("/pods/remade", expected=None)
            for value in (b"3", b"4"):
                await writer.update("/pods/changed", value, expected=None)
            await writer.create("/pods/remade", b"2")
            last = await writer.create("/pods/new", b"1")
            # Whatever had come before the cut was heard; what is compacted is not.
            await compact(etcd, writer.options, last)
            cutter.cut = never
            await until(lambda: store.revision == last)
            assert store.load("") == writer.load("")
            revisions = [change.revision for change in heard]
            assert revisions == sorted(revisions)
            assert start < revisions[0]
            assert [(change.key, change.value, change.created) for change in heard] == [
                ("/pods/dropped", None, False),
                ("/pods/changed", b"4", False),
                ("/pods/remade", None, False),
                ("/pods/remade", b"2", True),
                ("/pods/new", b"1", True),
            ]
            assert await watch.get() == heard
            with pytest.raises(Compacted):
                store.watch("/pods/", start)
            assert await store.update("/pods/new", b"2", expected=last) > last


async def test_compaction_under_a_running_watch_disturbs_nobody(options, etcd):
    async with masters(options(), 2) as (one, two):
        watch = two.watch("", two.revision)
        for n in range(10):
            revision = await one.create(f"/pods/{n}", b"")
            await compact(etcd, one.options, revision)
        keys = []
        while len(keys) < 10:
            keys += [change.key for change in await watch.get()]
        assert keys == [f"/pods/{n}" for n in range(10)]


async def test_masters_take_turns_in_compacting(options, caplog):
    caplog.set_level("INFO")
    settings = options(compact_s=0)
    client, layout = EtcdClient(settings), Layout(settings.prefix)
    async with masters(settings, 2) as (one, two):
        followers = [store._live().follower for store in (one, two)]
        seen = [await compact_once(client, layout, follower, before=0, timeout_s=5) for follower in followers[:1]]
        await until(lambda: all(follower.compact == seen[0] for follower in followers))
        await one.create("/a", b"")
        await asyncio.gather(
            *(compact_once(client, layout, follower, before=seen[0], timeout_s=5) for follower in followers)
        )
        assert caplog.text.count("etcd compacted revision=") == 1
        await one.create("/b", b"")
    client.close()


async def test_a_store_compacts_by_itself(options, caplog):
    caplog.set_level("INFO")
    async with masters(options(compact_s=0.1), 1) as (store,):
        await until(lambda: "etcd compacted revision=" in caplog.text)
        await store.create("/a", b"")


async def test_a_prefix_of_something_else_is_refused(options, etcd):
    settings = options()
    client = EtcdClient(settings)
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    foreign = {"key": f"{settings.prefix}/pods/a".encode(), "value": b"k8s"}
    await client.call("/v3/kv/put", foreign, HeaderAnswer, deadline=deadline)
    client.close()
    with pytest.raises(StoreUnusable, match="something else"):
        await EtcdStore(settings).open()


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        (b'{"store":"steersman","schema":99,"offset":0,"restoring":false}', "newer version"),
        (b"{}{", "damaged marker"),
        (msgspec.json.encode(Marker(restoring=True)), "cut short"),
    ],
)
async def test_a_marker_that_forbids_it_is_obeyed(options, marker, problem):
    settings = options()
    client = EtcdClient(settings)
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    put = {"key": Layout(settings.prefix).marker, "value": marker}
    await client.call("/v3/kv/put", put, HeaderAnswer, deadline=deadline)
    with pytest.raises(StoreUnusable, match=problem):
        await EtcdStore(settings).open()
    client.close()


async def test_a_marker_changed_under_us_stops_all_writes(options):
    async with masters(options(), 1) as (store,):
        client = EtcdClient(store.options)
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        watch = store.watch("", None)
        await client.call(
            "/v3/kv/deleterange", {"key": Layout(store.options.prefix).marker}, HeaderAnswer, deadline=deadline
        )
        client.close()
        assert [batch async for batch in watch] == []
        with pytest.raises(StoreBroken, match="marker"):
            await store.create("/a", b"")


async def test_a_value_of_other_hands_is_taken_as_it_is(options):
    async with masters(options(), 1) as (store,):
        client = EtcdClient(store.options)
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        put = {"key": f"{store.options.prefix}/a".encode(), "value": b"by hand"}
        await client.call("/v3/kv/put", put, HeaderAnswer, deadline=deadline)
        client.close()
        await until(lambda: store.get("/a") is not None)
        assert store.get("/a").value == b"by hand"


async def test_what_etcd_finds_too_large_is_refused_alone(options):
    # With time for one sending: of a second one nobody could tell whether the first was done.
    async with masters(options(value_bytes_max=3_000_000, request_timeout_s=25.0), 1) as (store,):
        with pytest.raises(StoreBroken, match="larger than") as refusal:
            await store.create("/a", b"x" * 2_500_000)
        assert not isinstance(refusal.value, OutcomeUnknown)
        assert await store.create("/a", b"x" * 1_400_000) == store.revision
    async with masters(options(), 1) as (store,):
        with pytest.raises(InvalidWrite):
            await store.create("/a", b"x" * 1_500_001)


async def test_an_etcd_that_is_not_there_is_told_within_the_limit(options):
    with pytest.raises(StoreUnusable, match=r"127\.0\.0\.1:1\b"):
        await EtcdStore(options(endpoints=("http://127.0.0.1:1",), open_timeout_s=0.2)).open()


async def test_opening_twice_is_refused(options):
    async with masters(options(), 1) as (store,):
        with pytest.raises(StoreUnusable, match="already open"):
            await store.open()


async def test_more_records_than_a_page_are_loaded(options):
    async with masters(options(), 1) as (store,):
        await asyncio.gather(*(store.create(f"/pods/{n}", b"x") for n in range(1203)))
        async with masters(store.options, 1) as (other,):
            assert other.load("") == store.load("")
            assert other.revision == store.revision


async def test_closing_leaves_no_task_behind(options):
    before = asyncio.all_tasks()
    async with masters(options(), 1) as (store,):
        await store.create("/a", b"")
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"endpoints": ()}, "endpoints"),
        ({"endpoints": ("etcd:2379",)}, "endpoints"),
        ({"endpoints": ("http://a:1", "https://b:1")}, "endpoints"),
        ({"endpoints": ("http://a:99999",)}, "endpoints"),
        ({"prefix": "registry"}, "prefix"),
        ({"prefix": "/registry/"}, "prefix"),
        ({"connections": 0}, "connections"),
        ({"compact_s": -1.0}, "compact_s"),
        ({"cert_file": "x"}, "cert_file"),
    ],
)
def test_a_senseless_setting_is_refused_by_name(settings, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        EtcdOptions(**{"endpoints": ("http://127.0.0.1:2379",), **settings})


def test_a_value_and_its_id_come_apart_as_they_were_joined():
    ids = WriteIds()
    for value in (b"", b"{}", b"\n@", b"x" * 100, seal(b"nested", ids.next())):
        write_id = ids.next()
        assert unseal(seal(value, write_id)) == (value, write_id)
    assert unseal(b"short") == (b"short", b"")


async def test_the_same_change_type_is_told_by_every_backend(options):
    async with masters(options(), 1) as (store,):
        heard = []
        store.subscribe(heard.extend)
        revision = await store.create("/a", b"1")
        assert heard == [Change("/a", b"1", None, revision, True)]
        with pytest.raises(KeyExists):
            await store.create("/a", b"2")
