"""Makes pods by name, as many as a measurement wants to find."""

import asyncio
import json
import re

from bench.served import PODS, Served, pod

_CONNECTIONS = 32


async def fill(server: Served, prefix: str, count: int) -> None:
    """Pods PREFIX-00000 and so on, whose label ``shard`` is the last two digits. Raises RuntimeError for a refusal."""
    await asyncio.gather(*(_write(server, prefix, first, count) for first in range(_CONNECTIONS)))


async def _write(server: Served, prefix: str, first: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context())
    for number in range(first, count, _CONNECTIONS):
        body = json.dumps(pod(f"{prefix}-{number:05}")).encode()
        head = (
            f"POST {PODS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", answer)
        await reader.readexactly(int(length[1]) if length else 0)
        if b" 201 " not in answer.partition(b"\r\n")[0]:
            raise RuntimeError(f"not created: {answer!r}")
    writer.close()
