"""What a selector picks through an index is what it picks by looking at everything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api.codec import encode
from api.core import Pod, PodSpec
from api.meta import ObjectMeta
from api.resources import resource_of
from api.selectors import parse, parse_fields
from master.apiserver.cache import Table
from master.apiserver.indexes import INDEXES_MAX
from master.apiserver.selection import Selection
from master.store.contract import Change

_NAMES = st.sampled_from(["a", "b", "c", "d"])
_VALUES = st.sampled_from(["", "x", "y", "z"])
_SELECTORS = ["app=x", "app in (x,y)", "app=x,tier=y", "tier!=x", "app", "!app", "app=q", "app=x,app=y"]
_FIELDS = ["spec.nodeName=x", "spec.nodeName=", "spec.nodeName!=x", "metadata.name=a", "metadata.namespace=n1"]


def _pod(namespace: str, name: str, labels: dict[str, str], node: str) -> bytes:
    pod = Pod(metadata=ObjectMeta(name=name, namespace=namespace, labels=labels), spec=PodSpec(node_name=node))
    pod.api_version, pod.kind = "v1", "Pod"
    return encode(pod)


_WRITE = st.tuples(
    st.sampled_from(["n1", "n2"]),
    _NAMES,
    st.dictionaries(st.sampled_from(["app", "tier"]), _VALUES, max_size=2),
    _VALUES,
    st.booleans(),
)


@settings(max_examples=60)
@given(st.lists(_WRITE, max_size=30), st.sampled_from(["", "n1"]), st.sampled_from(["", "/pods/n1/b"]))
def test_after_any_writes(writes: list[tuple[str, str, dict[str, str], str, bool]], namespace: str, after: str) -> None:
    table = Table(resource_of(Pod))
    selections = [Selection(namespace, parse(text), ()) for text in _SELECTORS]
    selections += [Selection(namespace, parse(""), parse_fields(text)) for text in _FIELDS]
    for revision, (space, name, labels, node, gone) in enumerate(writes, 1):
        key = table.key(space, name)
        before = table.by_key(key)
        if gone and before is None:
            continue
        value = None if gone else _pod(space, name, labels, node)
        table.apply(Change(key, value, None, revision, created=before is None))
        for selection in selections:
            through_index = [i.key for i in selection.candidates(table, after=after) if selection.picks(i)]
            by_scan = [i.key for i in table.items(namespace, after=after) if selection.picks(i)]
            assert through_index == by_scan, selection


def test_more_labels_than_there_is_room_for_are_looked_up_by_a_scan() -> None:
    table = Table(resource_of(Pod))
    labels = {f"label-{number}": "x" for number in range(INDEXES_MAX + 5)}
    table.apply(Change("/pods/n1/a", _pod("n1", "a", labels, ""), None, 1, created=True))
    for label in labels:
        selection = Selection("", parse(f"{label}=x"), ())
        assert [item.name for item in selection.candidates(table) if selection.picks(item)] == ["a"]
