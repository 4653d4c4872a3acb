"""A pod behind the proxy may answer anything: what is no HTTP ends, and nothing is read without bound."""

import asyncio

import pytest

from master.apiserver.exchange import Address, Asked, exchange

LIMIT_S = 20
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def _pieces(answer: bytes) -> list[bytes]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)  # and the connection stays
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = Address(*server.sockets[0].getsockname()[:2])
        reply = await exchange(address, Asked(path="/"), tls=None, answer_s=LIMIT_S, doing="asking")
        try:
            async with asyncio.timeout(LIMIT_S):
                return [piece async for piece in reply.pieces()]
        finally:
            await reply.close()


@pytest.mark.parametrize("size", [b"-1", b"-5", b"+5", b"0x5", b"1_0", b" ", b"", b"g", b"f" * 20])
def test_what_is_no_size_of_a_chunk_ends_the_answer(size: bytes) -> None:
    with pytest.raises(ConnectionError, match="not whole"):
        asyncio.run(_pieces(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n"))


def test_chunks_are_read_to_their_end() -> None:
    answer = CHUNKED + b"5;name=value\r\nhello\r\nA \r\n0123456789\r\n0\r\n\r\n"
    assert b"".join(asyncio.run(_pieces(answer))) == b"hello0123456789"


def test_a_length_is_a_number() -> None:
    assert asyncio.run(_pieces(HEAD + b"Content-Length: 5\r\n\r\nhello")) == [b"hello"]
