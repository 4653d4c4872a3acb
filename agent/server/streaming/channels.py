"""WebSocket messages whose first byte is a channel; in the base64 protocols that is a digit and the rest base64."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from agent.server.streaming import websocket
from agent.server.streaming.protocol_error import ProtocolError

_BASE64_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Said:
    """A part of a message on a channel. ``ends``: the message's last part."""

    channel: int
    data: bytes
    ends: bool


class Channels:
    """Reads and writes such messages; pure. Base64 messages are read whole, since only then do they mean anything."""

    def __init__(self, *, encoded: bool) -> None:
        self._encoded = encoded
        self._parser = websocket.WebSocketParser()
        self._channel: int | None = None
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[Said | websocket.Ping | websocket.Close]:
        """Raises ProtocolError."""
        for event in self._parser.feed(data):
            if isinstance(event, websocket.Ping | websocket.Close):
                yield event
            elif isinstance(event, websocket.Piece) and (
                said := self._whole(event) if self._encoded else self._part(event)
            ):
                yield said

    def _part(self, piece: websocket.Piece) -> Said | None:
        data = piece.data
        if piece.begins:
            self._channel = None
        if self._channel is None and data:
            self._channel, data = data[0], data[1:]
        return Said(self._channel, data, piece.ends) if self._channel is not None else None

    def _whole(self, piece: websocket.Piece) -> Said | None:
        self._kept += piece.data
        if len(self._kept) > _BASE64_MAX:
            raise ProtocolError(f"a message is longer than {_BASE64_MAX} bytes", code=1009)
        if not piece.ends:
            return None
        text = bytes(self._kept)
        self._kept.clear()
        try:
            return Said(text[0] - ord("0"), base64.b64decode(text[1:], validate=True), True) if text else None
        except binascii.Error as error:
            raise ProtocolError("a message is not base64", code=1007) from error

    def message(self, channel: int, data: bytes) -> bytes:
        """One whole message."""
        if self._encoded:
            return websocket.message(bytes((ord("0") + channel,)) + base64.b64encode(data), text=True)
        return websocket.message(bytes((channel,)) + data)
