"""Answers encoded before they are asked for; only id, flags, question and size are put in later.

Owners point to the question at offset 12 and names within records are not compressed, so one encoding
fits every packet that asks for this name and type.
"""

import struct
from collections.abc import Sequence

from clusterdns.wire import NOERROR, TC, Query, message, room

AUTHORITATIVE = 0x04
_PACKED = struct.Struct("!BH")  # additional records, bytes of the answer


class Answer:
    """The records for one name and type, ready to send."""

    __slots__ = ("_additional", "_answers", "_authority", "_body", "_counts", "_turn", "rcode")

    def __init__(
        self,
        answers: Sequence[bytes] = (),
        *,
        authority: Sequence[bytes] = (),
        additional: Sequence[bytes] = (),
        rcode: int = NOERROR,
    ) -> None:
        self.rcode = rcode
        self._answers = tuple(answers)
        self._authority = b"".join(authority)
        self._additional = b"".join(additional)
        self._counts = (len(answers), len(authority), len(additional))
        self._body = b"".join(self._answers) + self._authority + self._additional
        self._turn = 0

    def packed(self) -> bytes | None:
        """The same in one piece of bytes, to be kept by the ten thousand; None for what is not one plain record."""
        answers, authority, additional = self._counts
        if answers != 1 or authority or self.rcode != NOERROR or additional > 255:
            return None
        return _PACKED.pack(additional, len(self._answers[0])) + self._body

    @classmethod
    def unpacked(cls, packed: bytes) -> "Answer":
        """What `packed` was made of."""
        count, size = _PACKED.unpack_from(packed)
        body = packed[_PACKED.size :]
        answer = cls([body[:size]], additional=[body[size:]])
        answer._counts = (1, 0, count)
        return answer

    @property
    def rotates(self) -> bool:
        """Whether the next rendering differs: several records take turns in coming first."""
        return len(self._answers) > 1

    def render(self, query: Query) -> bytes:
        """The whole message, cut to what the client takes."""
        body = self._next_body() if self.rotates else self._body
        if len(body) <= room(query):
            return message(query, (AUTHORITATIVE, self.rcode), self._counts, body)
        return self._truncated(query)

    def _next_body(self) -> bytes:
        turn = self._turn = (self._turn + 1) % len(self._answers)
        rotated = self._answers[turn:] + self._answers[:turn]
        return b"".join(rotated) + self._authority + self._additional

    def _truncated(self, query: Query) -> bytes:
        """Whole answer records as far as they fit: resolvers without TCP (old musl) still get addresses.

        TC says that answers are missing; the additional section may be left out without it.
        """
        left, taken = room(query), []
        for index in range(len(self._answers)):
            encoded = self._answers[(index + self._turn) % len(self._answers)]
            if len(encoded) > left:
                break
            taken.append(encoded)
            left -= len(encoded)
        cut = TC if len(taken) < len(self._answers) or not self._answers else 0
        return message(query, (AUTHORITATIVE | cut, self.rcode), (len(taken), 0, 0), b"".join(taken))
