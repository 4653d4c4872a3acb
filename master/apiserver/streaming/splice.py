"""Bytes from one connection to the other, both ways at once, no faster than each side takes them."""

import asyncio

from master.apiserver.exchange import Reply
from master.apiserver.http.message import Headers, Tunnel, Upgrade

_PIECE = 64 * 1024
# After the last byte of the agent or pod: for the client to read it and to close. A socket that is closed with unread
# bytes in it sends a reset, which can overtake what was sent before.
_LINGER_S = 3.0


def spliced(reply: Reply, headers: Headers) -> Upgrade:
    """The client's connection and the one behind a 101, as one. ``headers`` go into the client's 101."""
    reader, writer = reply.ends()

    async def session(tunnel: Tunnel) -> None:
        try:
            await splice(tunnel, reader, writer)
        finally:
            await reply.close()

    return Upgrade(reply.headers.get("upgrade", ""), session, headers)


async def splice(tunnel: Tunnel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Returns when either side has ended or the server is stopping; closing both is the caller's business."""
    up = asyncio.create_task(_copy(tunnel.reader, writer), name="stream up")
    down = asyncio.create_task(_copy(reader, tunnel.writer), name="stream down")
    closing = asyncio.create_task(tunnel.closing.wait(), name="stream closing")
    try:
        await asyncio.wait({up, down, closing}, return_when=asyncio.FIRST_COMPLETED)
        if down.done() and not closing.done():
            await asyncio.wait({up, closing}, timeout=_LINGER_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (up, down, closing):
            task.cancel()
        await asyncio.gather(up, down, closing, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the reader's end. One that takes nothing more is still read: only its own end is the end, and what it said
    last may still be on its way the other direction."""
    takes = True
    try:
        while data := await reader.read(_PIECE):
            takes = takes and await _pass(data, writer)
    except OSError:
        # Lost rather than closed, which is the same to the other side.
        return


async def _pass(data: bytes, writer: asyncio.StreamWriter) -> bool:
    """Whether the writer takes more."""
    if writer.is_closing():
        return False
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        return False
    return True
