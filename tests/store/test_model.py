"""Random histories of a store against a dict and a list, over restarts."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from master.store.contract import Change, Compacted, KeyExists, KeyMissing, Record, RevisionConflict

HISTORY = 12
KEYS = st.sampled_from(["/pods/a/x", "/pods/a/y", "/pods/b", "/pods/é", "/nodes/n"])
VALUES = st.binary(max_size=20)
# What a writer expects: any revision, the current one (as far as the model knows), or a wrong one.
EXPECTED = st.sampled_from(["any", "current", "wrong"])
WRITE = st.tuples(st.sampled_from(["create", "update", "delete"]), KEYS, VALUES, EXPECTED)
WATCH_LIMIT_S = 10


class Model:
    """The whole history as a list, the state as a dict."""

    def __init__(self):
        self.records = {}
        self.changes = []
        # The counter may be one that others use too: it begins where the store's does.
        self.start = 0
        self.opened_at = 0

    @property
    def revision(self):
        return self.start + len(self.changes)

    @property
    def floor(self):
        return max(self.opened_at, self.revision - HISTORY)

    def expected_of(self, key, expectation):
        if expectation == "any":
            return None
        record = self.records.get(key)
        revision = record.revision if record else self.start + 1
        return revision if expectation == "current" else revision + 1

    def write(self, operation, key, value, expected):
        """Returns the revision, or the kind of error."""
        before = self.records.get(key)
        if operation == "create" and before:
            return KeyExists
        if operation != "create" and not before:
            return KeyMissing
        if operation != "create" and expected not in (None, before.revision):
            return RevisionConflict
        after = None if operation == "delete" else value
        revision = self.revision + 1
        self.changes.append(Change(key, after, before and before.value, revision, before is None))
        if after is None:
            del self.records[key]
        else:
            self.records[key] = Record(key, after, revision)
        return revision


def order_made(outcome):
    """Refused ones last: whatever refused them is older."""
    result, _ = outcome
    return (0, result) if isinstance(result, int) else (1, 0)


class StoreMachine(RuleBasedStateMachine):
    """Each rule acts on the store and on the model and compares."""

    backend_of = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-model-"))
        self.backend = self.backend_of(self.folder)
        self.runner = asyncio.Runner()
        self.model = Model()
        self.store = None
        self.reopen()

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def call(self, operation, key, value, expected):
        if operation == "create":
            return self.store.create(key, value)
        if operation == "update":
            return self.store.update(key, value, expected=expected)
        return self.store.delete(key, expected=expected)

    @rule(key=KEYS, writes=st.lists(WRITE, min_size=1, max_size=6))
    def write_in_one_turn(self, key, writes):
        """Many keys where the order of calls is that of revisions, else one key, of which it always is."""
        calls, wanted = [], []
        for operation, written, value, expectation in writes:
            key = written if self.backend.calls_in_order else key
            expected = self.model.expected_of(key, expectation)
            calls.append((operation, key, value, expected))
            wanted.append(self.model.write(operation, key, value, expected))

        assert self.run(self.all_at_once(calls)) == wanted

    async def all_at_once(self, calls):
        results = await asyncio.gather(*(self.call(*call) for call in calls), return_exceptions=True)
        return [type(one) if isinstance(one, Exception) else one for one in results]

    @rule(writes=st.lists(WRITE, min_size=2, max_size=5, unique_by=lambda write: write[1]))
    def write_many_keys_in_any_order(self, writes):
        """The writes of different keys may pass each other, but each takes a revision of its own."""
        calls = [
            (operation, key, value, self.model.expected_of(key, expectation))
            for operation, key, value, expectation in writes
        ]
        results = self.run(self.all_at_once(calls))
        made = [call for result, call in sorted(zip(results, calls, strict=True), key=order_made)]
        wanted = {call: self.model.write(*call) for call in made}
        assert results == [wanted[call] for call in calls]

    @rule()
    def reopen(self):
        if self.store is not None:
            self.run(self.store.close())
        self.store = self.backend.make(history_changes=HISTORY)
        self.run(self.store.open())
        if not self.model.changes:
            self.model.start = self.store.revision
        self.model.opened_at = self.model.revision

    @precondition(lambda self: self.model.changes)
    @rule(data=st.data(), prefix=st.sampled_from(["", "/pods/", "/pods/a/"]))
    def watch(self, data, prefix):
        since = self.model.start + data.draw(st.integers(0, len(self.model.changes)))
        if since < self.model.floor:
            with pytest.raises(Compacted) as refusal:
                self.store.watch(prefix, since)
            assert refusal.value.oldest == self.model.floor
            return
        wanted = [change for change in self.model.changes[since - self.model.start :] if change.key.startswith(prefix)]
        assert self.run(self.follow(prefix, since)) == wanted

    async def follow(self, prefix, since):
        """Everything of the watch, known to be everything by one write after it."""
        watch = self.store.watch(prefix, since)
        mark = prefix + "mark" if prefix else "/mark"
        assert await self.store.create(mark, b"") == self.model.write("create", mark, b"", None)
        assert await self.store.delete(mark, expected=None) == self.model.write("delete", mark, b"", None)
        changes = []
        async with asyncio.timeout(WATCH_LIMIT_S):
            while not changes or changes[-1].revision < self.store.revision:
                changes += await watch.get(3)
        watch.close()
        assert [change.key for change in changes[-2:]] == [mark, mark]
        return changes[:-2]

    @invariant()
    def state_is_the_models(self):
        assert self.store.revision == self.model.revision
        assert self.store.load("") == [self.model.records[key] for key in sorted(self.model.records)]
        for key in ("/pods/a/x", "/pods/b", "/none"):
            assert self.store.get(key) == self.model.records.get(key)

    def teardown(self):
        try:
            self.run(self.store.close())
            self.runner.close()
        finally:
            shutil.rmtree(self.folder)


def test_any_history_matches_the_model(new_backend, tmp_path):
    machine = type("Machine", (StoreMachine,), {"backend_of": staticmethod(new_backend)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=new_backend(tmp_path).examples,
            stateful_step_count=25,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
