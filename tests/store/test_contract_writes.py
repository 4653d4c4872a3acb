"""What every store keeps about writes and reads. A counter that others use too begins anywhere: `start`."""

import asyncio

import pytest

from master.store.contract import InvalidWrite, KeyExists, KeyMissing, Record, RevisionConflict, StoreClosed

POD = "/pods/default/web"


async def test_a_new_store_is_empty_at_its_first_revision(backend):
    async with backend.opened() as store:
        assert store.revision == 0 or backend.shared_counter
        assert store.load("") == []
        assert store.get(POD) is None


async def test_each_write_takes_exactly_one_revision(backend):
    async with backend.opened() as store:
        start = store.revision
        assert await store.create(POD, b"1") == start + 1
        assert await store.update(POD, b"2", expected=start + 1) == start + 2
        assert await store.update(POD, b"3", expected=None) == start + 3
        assert await store.delete(POD, expected=start + 3) == start + 4
        assert await store.create(POD, b"4") == start + 5
        assert store.revision == start + 5
        assert store.get(POD) == Record(POD, b"4", start + 5)


async def test_a_taken_key_is_refused_with_its_record(backend):
    async with backend.opened() as store:
        revision = await store.create(POD, b"1")
        with pytest.raises(KeyExists) as refusal:
            await store.create(POD, b"2")
        assert refusal.value.record == Record(POD, b"1", revision)
        assert refusal.value.key == POD


async def test_a_missing_key_is_refused(backend):
    async with backend.opened() as store:
        for write in (
            store.update(POD, b"1", expected=None),
            store.update(POD, b"1", expected=3),
            store.delete(POD, expected=None),
            store.delete(POD, expected=3),
        ):
            with pytest.raises(KeyMissing) as refusal:
                await write
            assert refusal.value.key == POD


async def test_a_wrong_expected_revision_is_refused_and_changes_nothing(backend):
    async with backend.opened() as store:
        revision = await store.create(POD, b"1")
        wrong = revision + 8
        for write in (store.update(POD, b"2", expected=wrong), store.delete(POD, expected=wrong)):
            with pytest.raises(RevisionConflict) as refusal:
                await write
            assert (refusal.value.record, refusal.value.expected) == (Record(POD, b"1", revision), wrong)
        assert (store.revision, store.get(POD)) == (revision, Record(POD, b"1", revision))


async def test_of_many_writers_with_one_expected_revision_one_wins(backend):
    async with backend.opened() as store:
        revision = await store.create(POD, b"0")
        writes = (store.update(POD, bytes([n]), expected=revision) for n in range(20))
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert results[0] == revision + 1
        assert {type(result) for result in results[1:]} == {RevisionConflict}
        assert store.get(POD) == Record(POD, bytes([0]), revision + 1)


async def test_a_refusal_names_only_what_is_durable(backend):
    async with backend.opened() as store:
        start, seen = store.revision, []

        async def create_second():
            with pytest.raises(KeyExists) as refusal:
                await store.create(POD, b"second")
            seen.append((store.revision, store.get(POD) == refusal.value.record))

        await asyncio.gather(store.create(POD, b"first"), create_second())
        assert seen == [(start + 1, True)]


async def test_writes_of_one_turn_follow_each_other_on_one_key(backend):
    async with backend.opened() as store:
        start = store.revision
        revisions = await asyncio.gather(
            store.create(POD, b"1"),
            store.update(POD, b"2", expected=start + 1),
            store.delete(POD, expected=start + 2),
            store.create(POD, b"3"),
            store.delete(POD, expected=start + 4),
            store.create(POD, b"4"),
        )
        assert revisions == list(range(start + 1, start + 7))
    async with backend.opened() as store:
        assert store.load("") == [Record(POD, b"4", start + 6)]


async def test_uncommitted_writes_are_not_read(backend):
    async with backend.opened() as store:
        start = store.revision
        task = asyncio.ensure_future(store.create(POD, b"1"))
        await asyncio.sleep(0)
        assert (store.revision, store.get(POD), store.load("")) == (start, None, [])
        await task
        assert store.get(POD) is not None


async def test_load_gives_a_prefix_sorted_by_key(backend):
    keys = ["/pods/a/x", "/pods/a/b", "/pods/ab/x", "/pods", "/pods/", "/q/a", "/pods/a/é", "/pods/a/\U0010ffff"]
    async with backend.opened() as store:
        await asyncio.gather(*(store.create(key, key.encode()) for key in keys))
        for prefix in ("", "/", "/pods/", "/pods/a/", "/pods/a", "/nothing", "/pods/a/\U0010ffff"):
            found = [record.key for record in store.load(prefix)]
            assert found == sorted(key for key in keys if key.startswith(prefix))


async def test_everything_is_there_after_opening_again(backend):
    async with backend.opened() as store:
        await asyncio.gather(*(store.create(f"/pods/a/{n}", b"x" * n) for n in range(50)))
        await store.delete("/pods/a/7", expected=None)
        before = store.load(""), store.revision
    async with backend.opened() as store:
        assert (store.load(""), store.revision) == before
        assert await store.create("/pods/a/7", b"") == before[1] + 1


async def test_a_delete_as_the_last_write_is_not_forgotten_by_the_counter(backend):
    async with backend.opened() as store:
        await store.create(POD, b"1")
        last = await store.delete(POD, expected=None)
    async with backend.opened() as store:
        assert store.revision == last
        assert await store.create(POD, b"2") == last + 1


@pytest.mark.parametrize("key", ["", "pods/a", "/pods/\0", "/pods/\ud800"])
async def test_a_key_that_cannot_be_kept_is_refused_alone(backend, key):
    async with backend.opened() as store:
        start = store.revision
        bad, good = await asyncio.gather(store.create(key, b""), store.create(POD, b""), return_exceptions=True)
        assert isinstance(bad, InvalidWrite)
        assert bad.key == key
        assert good == start + 1


async def test_a_value_that_cannot_be_kept_is_refused_alone(backend):
    async with backend.opened(value_bytes_max=100) as store:
        start = store.revision
        for value in (b"x" * 101, "text"):
            with pytest.raises(InvalidWrite, match="value"):
                await store.create(POD, value)
        assert await store.create(POD, b"x" * 100) == start + 1


async def test_close_keeps_what_was_accepted(backend):
    store = backend.make()
    await store.open()
    start = store.revision
    writes = [asyncio.ensure_future(store.create(f"/pods/a/{n}", b"")) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted(await asyncio.gather(*writes)) == list(range(start + 1, start + 11))
    async with backend.opened() as store:
        assert len(store.load("/pods/a/")) == 10


async def test_a_cancelled_writer_harms_no_other(backend):
    async with backend.opened() as store:
        start = store.revision
        first, second = (asyncio.ensure_future(store.create(f"/pods/a/{n}", b"")) for n in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second in (start + 1, start + 2)


async def test_a_closed_store_says_so(backend):
    store = backend.make()
    with pytest.raises(StoreClosed):
        store.load("")
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreClosed):
        await store.create(POD, b"")
    with pytest.raises(StoreClosed):
        store.watch("", None)
