"""Objects in Kubernetes' protobuf form, from the field numbers of the declarations.

Typed calls of client-go 0.32 and newer send it. A body is the four bytes ``k8s\\0`` and a ``runtime.Unknown`` that
names the type and carries the object. Unknown fields are skipped, as protobuf has it; a body that is cut or malformed
raises BadRequest.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf, and the generated.proto files.
"""

from typing import Any

from api.errors import BadRequest
from api.protobuf.decoding import decode_part
from api.protobuf.encoding import encode_part
from api.protobuf.wire import Malformed, length_delimited, read_fields
from api.struct import Struct

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"


def unwrap(body: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and the raw object of a body. Raises BadRequest."""
    if not body.startswith(MAGIC):
        raise BadRequest("the body is not in Kubernetes' protobuf form: it does not begin with 'k8s\\0'")
    api_version = kind = ""
    raw = b""
    try:
        for number, value in read_fields(memoryview(body)[len(MAGIC) :]):
            if number == 1 and not isinstance(value, int):
                for inner, text in read_fields(value):
                    if isinstance(text, int):
                        continue
                    if inner == 1:
                        api_version = bytes(text).decode()
                    elif inner == 2:
                        kind = bytes(text).decode()
            elif number == 2 and not isinstance(value, int):
                raw = bytes(value)
    except (Malformed, UnicodeDecodeError) as error:
        raise BadRequest(f"the protobuf body is malformed: {error}") from error
    return api_version, kind, raw


def decode(raw: bytes, kind: type[Struct]) -> dict[str, Any]:
    """The plain JSON form of a raw object. Raises BadRequest."""
    try:
        return decode_part(memoryview(raw), kind)
    except (Malformed, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise BadRequest(f"the protobuf body is malformed: {error}") from error


def encode(item: Struct, api_version: str, kind: str) -> bytes:
    """A whole body: magic, type and object."""
    return enveloped(encode_part(item), api_version, kind)


def enveloped(raw: bytes, api_version: str, kind: str) -> bytes:
    """A whole body of an object that is encoded already."""
    type_meta = length_delimited(1, api_version.encode()) + length_delimited(2, kind.encode())
    return MAGIC + length_delimited(1, type_meta) + length_delimited(2, raw)
