"""The part of etcd's v3 JSON that we speak: https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/.

The gateway writes 64-bit numbers as strings, leaves out what is zero or false, and bytes are base64.
"""

from typing import Any

import msgspec


class Header(msgspec.Struct):
    cluster_id: int = 0
    revision: int = 0


class KeyValue(msgspec.Struct):
    key: bytes = b""
    value: bytes = b""
    create_revision: int = 0
    mod_revision: int = 0


class RangeAnswer(msgspec.Struct):
    header: Header = msgspec.field(default_factory=Header)
    kvs: list[KeyValue] = []
    more: bool = False


class _TxnPart(msgspec.Struct):
    response_range: RangeAnswer | None = None


class TxnAnswer(msgspec.Struct):
    header: Header = msgspec.field(default_factory=Header)
    succeeded: bool = False
    responses: list[_TxnPart] = []

    def read(self) -> list[KeyValue]:
        """What its ranges found."""
        return [pair for part in self.responses if part.response_range for pair in part.response_range.kvs]


class HeaderAnswer(msgspec.Struct):
    header: Header = msgspec.field(default_factory=Header)


class Event(msgspec.Struct):
    kv: KeyValue
    type: str = "PUT"


class Fault(msgspec.Struct):
    """A refusal: `code` is gRPC's."""

    code: int = 2
    message: str = ""
    error: str = ""
    grpc_code: int = 0


class WatchResult(msgspec.Struct):
    header: Header = msgspec.field(default_factory=Header)
    events: list[Event] = []
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""


class WatchAnswer(msgspec.Struct):
    result: WatchResult | None = None
    error: Fault | None = None


def unchanged(key: bytes, mod_revision: int) -> dict[str, Any]:
    """A compare: the key is still at this mod revision (0: absent)."""
    return {"result": "EQUAL", "target": "MOD", "key": key, "mod_revision": mod_revision}


def put(key: bytes, value: bytes) -> dict[str, Any]:
    return {"request_put": {"key": key, "value": value}}


def delete(key: bytes, end: bytes | None = None) -> dict[str, Any]:
    request = {"key": key} if end is None else {"key": key, "range_end": end}
    return {"request_delete_range": request}


def read_revision(key: bytes) -> dict[str, Any]:
    """A range of one key without its value."""
    return {"request_range": {"key": key, "keys_only": True}}
