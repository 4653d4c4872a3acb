"""Sharing: equal parts of objects become one, and the objects say what they said."""

from hypothesis import given
from hypothesis import strategies as some

from api.codec import convert, decode, encode
from api.core import Pod
from client import sharing
from client.sharing import Sharing

_TEXT = some.text(max_size=8)
_PODS = some.builds(
    lambda name, labels, image, env, node, phase, ips: {
        "metadata": {"name": name, "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "image": image, "env": [{"name": one, "value": one} for one in env]}],
            "securityContext": {"runAsUser": len(env)},
        },
        "status": {"phase": phase, "podIPs": [{"ip": ip} for ip in ips]},
    },
    _TEXT,
    some.dictionaries(_TEXT, _TEXT, max_size=3),
    some.sampled_from(["web:1", "web:2"]),
    some.lists(_TEXT, max_size=3),
    _TEXT,
    some.sampled_from(["Pending", "Running"]),
    some.lists(_TEXT, max_size=2),
)


def pod(name: str, image: str = "web:1") -> Pod:
    spec = {"containers": [{"name": "c", "image": image}]}
    # Two texts that are equal, as two documents have them: Python's own constants are one anyway.
    meta = {"name": name, "generateName": "".join(("web", "-")), "labels": {"app": "web"}}
    return convert({"metadata": meta, "spec": spec}, Pod)


@given(some.lists(_PODS, max_size=6))
def test_nothing_is_changed(documents: list[object]) -> None:
    shared = Sharing()
    for document in documents:
        text = encode(convert(document, Pod))
        assert encode(shared.share(decode(text, Pod))) == text
    assert (sharing._NO_LIST, sharing._NO_DICT) == ([], {})


def test_pods_of_one_template_hold_its_parts_together() -> None:
    shared = Sharing()
    one, two, other = shared.share(pod("a")), shared.share(pod("b")), shared.share(pod("c", "web:2"))
    assert one.spec.containers is two.spec.containers is not other.spec.containers
    assert one.metadata.labels is other.metadata.labels
    assert one.metadata.generate_name is other.metadata.generate_name
    assert one.spec.volumes is two.status.conditions == []
    assert (one.metadata.name, two.metadata.name, other.spec.containers[0].image) == ("a", "b", "web:2")


@given(_PODS, _PODS)
def test_a_change_is_shared_with_what_was_before(one: object, other: object) -> None:
    shared = Sharing()
    before = shared.share(convert(one, Pod))
    text = encode(convert(other, Pod))
    assert encode(shared.share(decode(text, Pod), before)) == text
    again = shared.share(convert(one, Pod), before)
    assert (again.metadata, again.spec, again.status) == (before.metadata, before.spec, before.status)
    assert again.spec is before.spec


def test_what_is_remembered_is_bounded() -> None:
    shared = Sharing()
    for number in range(5000):
        shared.share(pod(str(number), f"web:{number}"))
    assert len(shared._known) <= sharing._REMEMBERED
