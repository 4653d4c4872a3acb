"""Followers of a table: those of one value of a field are told of no other."""

from dataclasses import dataclass, field

from master.apiserver.followers import Followers


@dataclass
class Thing:
    key: str = "k"
    labels: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Event:
    before: Thing | None
    after: Thing | None


def on(node: str) -> Thing:
    return Thing(fields={"spec.nodeName": node, "metadata.name": "p"})


def test_only_those_are_told_whom_it_may_concern() -> None:
    followers: Followers[str] = Followers()
    followers.add("all")
    for node in ("", "a", "b"):
        followers.add(f"of {node}", only=("spec.nodeName", node))
    followers.add("of p", only=("metadata.name", "p"))
    assert len(followers) == 5
    assert followers.concerned([Event(None, on("a"))]) == ["all", "of a", "of p"]
    assert followers.concerned([Event(on(""), on("b"))]) == ["all", "of ", "of b", "of p"], "the value before counts"
    assert followers.concerned([Event(on("c"), None), Event(on("a"), None)]) == ["all", "of a", "of p"], "each once"


def test_who_has_left_is_told_of_nothing() -> None:
    followers: Followers[str] = Followers()
    followers.add("one", only=("spec.nodeName", "a"))
    followers.add("two", only=("spec.nodeName", "a"))
    for name in ("one", "one", "never there"):
        followers.discard(name)
    assert ("one" in followers, "two" in followers) == (False, True)
    assert followers.concerned([Event(None, on("a"))]) == ["two"]
    followers.discard("two")
    assert not followers
    assert followers.concerned([Event(None, on("a"))]) == []
