"""Pods that are asked for in the same words again, as controllers ask for replicas: worked out once, then only named.

Reading, completing and judging a pod is most of the cost of making it, and comes to the same for the same body in the
same namespace as long as nothing changed that admission completes pods with. The rule: kept is what stands in the
object besides its identity; name, uid and time are given anew, and each one is checked by admission as any other.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec
from msgspec.structs import replace

from api.codec import encode
from api.core import Pod
from api.scalars import now
from master.apiserver.cache import splice_offset
from master.apiserver.call import Call
from master.apiserver.strategies import new_uid

K = TypeVar("K")
V = TypeVar("V")
Version = tuple[int, ...]

# Bounded, since clients choose what they send: 10 MB at most.
_MOST = 128
_MOST_BYTES = 16 * 1024
_MOST_SEEN = 4096

_Key = tuple[str, str, str, bytes]


class Replica(msgspec.Struct, frozen=True):
    """A pod but for its identity: the object, and the bytes around its metadata."""

    version: Version
    pod: Pod
    before: bytes
    behind: bytes
    warnings: list[str]

    def fresh(self) -> Pod:
        """Another pod like it, yet without a name. What it has in common with the others may not be changed."""
        metadata = replace(self.pod.metadata, name="", uid=new_uid(), creation_timestamp=now())
        return replace(self.pod, metadata=metadata)

    def encoded(self, pod: Pod) -> bytes:
        """What ``encode`` makes of one of them."""
        return b"%b%b%b" % (self.before, encode(pod.metadata), self.behind)


class Replicas:
    """The bodies that came more than once, the latest ones. ``version`` is admission's, of what completes pods."""

    def __init__(self, version: Callable[[], Version | None]) -> None:
        self._version = version
        self._kept: dict[_Key, Replica] = {}
        self._seen: dict[int, None] = {}

    def find(self, call: Call) -> Replica | None:
        if call.target.resource.type is not Pod:
            return None
        found = self._kept.get(_key(call))
        return found if found is not None and found.version == self._version() else None

    def begin(self, call: Call, new: object) -> Version | None:
        """The version with which a new object is completed, when it may be worth keeping; before it has a name."""
        if not isinstance(new, Pod) or new.metadata.name or call.dry_run or len(call.request.body) > _MOST_BYTES:
            return None
        return self._version()

    def keep(self, call: Call, new: object, version: Version, warnings: list[str]) -> None:
        """Of a pod that was stored; the first time only that it was seen."""
        key = _key(call)
        if (mark := hash(key)) not in self._seen:
            _add(self._seen, mark, None, most=_MOST_SEEN)
            return
        pod = cast(Pod, new)
        whole, metadata, start = encode(pod), encode(pod.metadata), splice_offset(call.target.resource) - 1
        assert whole.startswith(metadata, start)
        kept = Replica(version, pod, whole[:start], whole[start + len(metadata) :], warnings)
        _add(self._kept, key, kept, most=_MOST)


def _key(call: Call) -> _Key:
    request = call.request
    return call.target.namespace, request.raw_query, request.headers.get("content-type", ""), request.body


def _add(kept: dict[K, V], key: K, value: V, *, most: int) -> None:
    """The oldest one goes when there is no room."""
    if len(kept) >= most and key not in kept:
        del kept[next(iter(kept))]
    kept[key] = value
