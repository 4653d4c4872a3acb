"""What every store keeps about watches and listeners. The counter begins anywhere: `start`."""

import asyncio

import pytest

from master.store.contract import Change, Compacted, FutureRevision, SlowWatcher, StoreClosed

POD = "/pods/default/web"


async def take(subscription, count):
    """Read until `count` changes are there."""
    changes = []
    while len(changes) < count:
        changes += await subscription.get(count - len(changes))
    return changes


async def test_a_change_tells_value_previous_revision_and_creation(backend):
    async with backend.opened() as store:
        start = store.revision
        watch = store.watch("/pods/", start)
        await store.create(POD, b"1")
        await store.update(POD, b"2", expected=None)
        await store.delete(POD, expected=None)
        assert await take(watch, 3) == [
            Change(POD, b"1", None, start + 1, True),
            Change(POD, b"2", b"1", start + 2, False),
            Change(POD, None, b"2", start + 3, False),
        ]


async def test_a_watch_replays_and_then_follows_without_gap_or_double(backend):
    async with backend.opened() as store:
        start = store.revision
        for n in range(10):
            await store.create(f"/pods/a/{n}", b"")
        watch = store.watch("/pods/", start + 4)
        await asyncio.gather(*(store.create(f"/pods/b/{n}", b"") for n in range(10)))
        assert [change.revision for change in await take(watch, 16)] == list(range(start + 5, start + 21))


async def test_a_watch_sees_only_its_prefix(backend):
    async with backend.opened() as store:
        start = store.revision
        await store.create("/nodes/a", b"")
        await store.create("/pods/a/x", b"")
        watch = store.watch("/pods/", start)
        await store.create("/nodes/b", b"")
        await store.create("/pods/a/y", b"")
        assert [change.key for change in await take(watch, 2)] == ["/pods/a/x", "/pods/a/y"]


async def test_a_watch_from_now_replays_nothing(backend):
    async with backend.opened() as store:
        await store.create(POD, b"1")
        watch = store.watch("", None)
        revision = await store.update(POD, b"2", expected=None)
        assert [change.revision for change in await watch.get()] == [revision]


async def test_a_watch_from_before_the_history_is_refused_with_the_oldest_start(backend):
    async with backend.opened(history_changes=5) as store:
        start = store.revision
        for n in range(8):
            await store.create(f"/pods/a/{n}", b"")
        with pytest.raises(Compacted) as refusal:
            store.watch("", start + 2)
        assert refusal.value.oldest == start + 3
        replayed = await take(store.watch("", start + 3), 5)
        assert [change.revision for change in replayed] == list(range(start + 4, start + 9))


async def test_the_history_is_bounded_by_bytes_too(backend):
    async with backend.opened(history_bytes=1000) as store:
        start = store.revision
        for n in range(8):
            await store.create(f"/pods/a/{n}", b"x" * 300)
        with pytest.raises(Compacted) as refusal:
            store.watch("", start + 4)
        assert refusal.value.oldest == start + 5


async def test_after_a_restart_the_history_begins_at_the_current_revision(backend):
    async with backend.opened() as store:
        await store.create(POD, b"1")
        last = await store.update(POD, b"2", expected=None)
    async with backend.opened() as store:
        with pytest.raises(Compacted):
            store.watch("", last - 1)
        watch = store.watch("", last)
        await store.delete(POD, expected=last)
        assert await watch.get() == [Change(POD, None, b"2", last + 1, False)]


async def test_a_watch_from_the_future_is_refused(backend):
    async with backend.opened() as store:
        with pytest.raises(FutureRevision):
            store.watch("", store.revision + 1)


async def test_a_slow_watcher_is_dropped_and_others_are_not(backend):
    async with backend.opened(watch_queue=10) as store:
        start = store.revision
        slow, quick = store.watch("", start), store.watch("", start)
        for n in range(12):
            await store.create(f"/pods/a/{n}", b"")
            assert [change.revision for change in await quick.get()] == [start + n + 1]
        with pytest.raises(SlowWatcher):
            await slow.get()
        with pytest.raises(SlowWatcher):
            await anext(aiter(slow))


async def test_a_replay_longer_than_the_queue_is_not_slow(backend):
    async with backend.opened(watch_queue=5) as store:
        start = store.revision
        for n in range(20):
            await store.create(f"/pods/a/{n}", b"")
        watch = store.watch("", start)
        await store.create("/pods/b", b"")
        assert [change.revision for change in await take(watch, 21)] == list(range(start + 1, start + 22))


async def test_closing_a_watch_wakes_its_reader(backend):
    async with backend.opened() as store:
        watch = store.watch("", None)
        reader = asyncio.ensure_future(watch.get())
        await asyncio.sleep(0)
        watch.close()
        watch.close()
        with pytest.raises(StoreClosed):
            await reader
        assert [batch async for batch in watch] == []
        await store.create(POD, b"")


async def test_closing_the_store_ends_watches_after_what_they_hold(backend):
    async with backend.opened() as store:
        watch = store.watch("", None)
        revision = await store.create(POD, b"")
    assert [[change.revision for change in batch] async for batch in watch] == [[revision]]


async def test_a_cancelled_read_loses_nothing(backend):
    async with backend.opened() as store:
        watch = store.watch("", None)
        reader = asyncio.ensure_future(watch.get())
        await asyncio.sleep(0)
        reader.cancel()
        revision = await store.create(POD, b"")
        assert [change.revision for change in await watch.get()] == [revision]


async def test_a_listener_hears_of_a_commit_before_its_writers(backend):
    async with backend.opened() as store:
        start, heard = store.revision, []
        store.subscribe(lambda changes: heard.extend((change.revision, store.revision) for change in changes))

        async def write(number):
            revision = await store.create(f"/pods/a/{number}", b"")
            assert revision in [changed for changed, _ in heard]

        await asyncio.gather(*(write(number) for number in range(30)))
        assert [changed for changed, _ in heard] == list(range(start + 1, start + 31))
        assert all(changed <= committed for changed, committed in heard)


async def test_a_listener_that_ended_hears_nothing_more(backend):
    async with backend.opened() as store:
        heard = []
        end = store.subscribe(heard.extend)
        store.subscribe(heard.extend)
        end()
        end()
        await store.create(POD, b"")
        assert len(heard) == 1


async def test_a_failing_listener_is_logged_and_stops_nobody(backend, caplog):
    async with backend.opened() as store:
        heard = []

        def fail(changes):
            raise RuntimeError("cache broken")

        store.subscribe(fail)
        store.subscribe(heard.extend)
        revision = await store.create(POD, b"")
        assert len(heard) == 1
        assert f"store listener failed revision={revision}" in caplog.text
