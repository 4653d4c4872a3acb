"""A small API server in memory, with the methods of ``Client``: for faults that a test must control.

It keeps what the agent relies on: resource versions, uids, graceful deletion of pods, the status subresource, merge
patches, field selectors on node and name, and watches that break when it goes down.
"""

import queue
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from api.authentication import TokenRequest, TokenRequestStatus, TokenReview, TokenReviewStatus, UserInfo
from api.authorization import SubjectAccessReview, SubjectAccessReviewStatus
from api.codec import convert, decode, encode, plain
from api.core import Pod
from api.errors import AlreadyExists, Conflict, Expired, NotFound
from api.meta import Object
from api.resources import field_value, resource_of
from client import Listing, Unreachable
from client.client import WatchEvent

_SELECTABLE = {"spec.nodeName": "spec.node_name", "metadata.name": "metadata.name"}
_Key = tuple[type, str, str]


class FakeWatch:
    """A queue of changes; None ends it, an exception breaks it."""

    def __init__(self, api: "FakeApi", kind: type, fields: str) -> None:
        self._api = api
        self.kind = kind
        self.fields = fields
        self.changes: queue.Queue[WatchEvent[Any] | Exception | None] = queue.Queue()

    def __iter__(self) -> Iterator[WatchEvent[Any]]:
        while (change := self.changes.get()) is not None:
            if isinstance(change, Exception):
                raise change
            yield change

    def stop(self) -> None:
        self.changes.put(None)

    def close(self) -> None:
        self._api.forget(self)


class FakeTransport:
    """Shows no certificate."""

    certificate = b""
    failed_renewals = 0


class FakeApi:
    """Thread-safe. ``down`` makes every call raise Unreachable and breaks the watches."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self._lock = threading.RLock()
        self._objects: dict[_Key, Object] = {}
        self._watches: list[FakeWatch] = []
        self._version = 0
        self._oldest = 0
        self._down = False
        self._tokens = 0
        self.token_life_s = 0.0
        self.calls: list[tuple[str, str, str]] = []
        self.users: dict[str, str] = {}
        self.allowed: set[tuple[str, str, str]] = set()

    # Faults.

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        with self._lock:
            self._down = value
            if value:
                for watch in self._watches:
                    watch.changes.put(Unreachable("connection refused"))

    def delete_behind_its_back(self, name: str, namespace: str) -> None:
        """A pod goes while the agent cannot be told, and so long ago that no watch tells of it: one must list again."""
        with self._lock:
            del self._objects[(Pod, namespace, name)]
            self._version += 1
            self._oldest = self._version

    def _check(self, verb: str, kind: type, name: str) -> None:
        if self._down:
            raise Unreachable("connection refused")
        self.calls.append((verb, kind.__name__, name))

    # The methods of Client.

    def get(self, kind: type, name: str, namespace: str = "") -> Any:
        with self._lock:
            self._check("get", kind, name)
            return _copy(self._found(kind, name, namespace))

    def list(self, kind: type, namespace: str = "", *, fields: str = "", **_: Any) -> Listing[Any]:
        with self._lock:
            self._check("list", kind, "")
            items = [
                _copy(item)
                for (item_kind, item_namespace, _), item in self._objects.items()
                if item_kind is kind and namespace in ("", item_namespace) and _selected(item, fields)
            ]
            return Listing(items, str(self._version))

    def watch(
        self, kind: type, _namespace: str = "", *, resource_version: str, fields: str = "", **_: Any
    ) -> FakeWatch:
        with self._lock:
            self._check("watch", kind, "")
            if int(resource_version) < self._oldest:
                raise Expired(f"too old resource version: {resource_version} ({self._oldest})")
            watch = FakeWatch(self, kind, fields)
            for (item_kind, _ns, _name), item in self._objects.items():
                newer = int(item.metadata.resource_version) > int(resource_version)
                if item_kind is kind and newer and _selected(item, fields):
                    watch.changes.put(WatchEvent("MODIFIED", _copy(item)))
            self._watches.append(watch)
            return watch

    def forget(self, watch: FakeWatch) -> None:
        with self._lock:
            if watch in self._watches:
                self._watches.remove(watch)

    def create(self, item: Any) -> Any:
        with self._lock:
            self._check("create", type(item), item.metadata.name)
            item = _copy(item)
            key = _key(item)
            if key in self._objects:
                raise AlreadyExists(f'{item.metadata.name} "already exists"')
            item.metadata.uid = item.metadata.uid or str(uuid.uuid4())
            item.metadata.creation_timestamp = datetime.now(UTC).replace(microsecond=0)
            return self._store(item, "ADDED")

    def patch(
        self, kind: type, name: str, namespace: str, patch: Mapping[str, Any], *, subresource: str = "", form: str = ""
    ) -> Any:
        assert form == "merge", "the fake knows only merge patches"
        with self._lock:
            self._check(f"patch{'/' + subresource if subresource else ''}", kind, name)
            old = self._found(kind, name, namespace)
            changes = plain(dict(patch))
            wanted_uid = changes.get("metadata", {}).pop("uid", "")
            if wanted_uid and wanted_uid != old.metadata.uid:
                raise Conflict(f"Precondition failed: UID in precondition: {wanted_uid}")
            if subresource == "status":
                changes = {"status": changes["status"]}
            return self._store(convert(_merged(plain(old), changes), kind), "MODIFIED")

    def delete(self, kind: type, name: str, namespace: str = "", *, grace_s: int | None = None, uid: str = "") -> None:
        with self._lock:
            self._check("delete", kind, name)
            item = self._found(kind, name, namespace)
            if uid and uid != item.metadata.uid:
                raise Conflict("Precondition failed: UID in precondition")
            if isinstance(item, Pod) and grace_s != 0:
                self._begin_deletion(item, grace_s)
                return
            del self._objects[_key(item)]
            self._version += 1
            item = _copy(item)
            item.metadata.resource_version = str(self._version)
            self._tell("DELETED", item)

    def _begin_deletion(self, pod: Pod, grace_s: int | None) -> None:
        pod = _copy(pod)
        if grace_s is None:
            wanted = pod.spec.termination_grace_period_seconds
            grace_s = 30 if wanted is None else wanted
        pod.metadata.deletion_timestamp = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=grace_s)
        pod.metadata.deletion_grace_period_seconds = grace_s
        self._store(pod, "MODIFIED")

    def request_token(self, request: TokenRequest) -> TokenRequest:
        """token-<number>, good for as long as is asked, or for ``token_life_s``."""
        with self._lock:
            self._check("create/token", TokenRequest, request.metadata.name)
            self._tokens += 1
            life_s = self.token_life_s or request.spec.expiration_seconds or 3600
            expires = datetime.now(UTC) + timedelta(seconds=life_s)
            token = f"token-{self._tokens}-for-{','.join(request.spec.audiences)}"
            return TokenRequest(status=TokenRequestStatus(token=token, expiration_timestamp=expires))

    def review(self, item: Any) -> Any:
        """Tokens are those of ``users``; who may do what stands in ``allowed``: user, verb, subresource of nodes."""
        with self._lock:
            self._check("create", type(item), "")
        if isinstance(item, TokenReview):
            user = self.users.get(item.spec.token)
            info = UserInfo(username=user) if user is not None else None
            return TokenReview(status=TokenReviewStatus(authenticated=user is not None, user=info))
        wanted = item.spec.resource_attributes
        allowed = (item.spec.user, wanted.verb, wanted.subresource) in self.allowed
        return SubjectAccessReview(status=SubjectAccessReviewStatus(allowed=allowed))

    def close(self) -> None:
        return None

    # Inside.

    def _found(self, kind: type, name: str, namespace: str) -> Any:
        item = self._objects.get((kind, namespace, name))
        if item is None:
            raise NotFound(f'{resource_of(kind).plural} "{name}" not found')
        return item

    def _store(self, item: Any, event_type: str) -> Any:
        self._version += 1
        item.metadata.resource_version = str(self._version)
        self._objects[_key(item)] = item
        self._tell(event_type, item)
        return _copy(item)

    def _tell(self, event_type: str, item: Any) -> None:
        for watch in self._watches:
            if watch.kind is type(item) and _selected(item, watch.fields):
                watch.changes.put(WatchEvent(event_type, _copy(item)))

    def items(self, kind: type) -> Sequence[Any]:
        """What a test looks at, also while it is down."""
        with self._lock:
            return [_copy(item) for (item_kind, _ns, _name), item in self._objects.items() if item_kind is kind]


def _key(item: Any) -> _Key:
    return type(item), item.metadata.namespace, item.metadata.name


def _copy(item: Any) -> Any:
    resource = resource_of(type(item))
    item.api_version, item.kind = resource.api_version, resource.kind
    return decode(encode(item), type(item))


def _selected(item: Any, fields: str) -> bool:
    terms = [term.partition("=") for term in fields.split(",") if term]
    return all(field_value(item, _SELECTABLE[path]) == value for path, _, value in terms)


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
