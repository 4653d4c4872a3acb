"""gzip for large answers: when it is worth it, and doing it off the event loop."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import Executor

import msgspec

from master.apiserver.http.message import Request, Response

# Level 1 like kube-apiserver: lists of objects shrink about tenfold already.
_LEVEL = 1
# zlib's largest window, in gzip's dress. The module gzip does the same, and reads and writes files.
_GZIP = zlib.MAX_WBITS | 16


def wants_gzip(request: Request, response: Response) -> bool:
    """True when the client takes gzip and the body is not encoded yet."""
    return (
        request.method != "HEAD"
        and accepts_gzip(request.headers.get("accept-encoding", ""))
        and not any(name.lower() == "content-encoding" for name, _ in response.headers)
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether Accept-Encoding names gzip (or *) with a quality above zero (RFC 9110, 12.5.3)."""
    qualities: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        qualities[coding.strip()] = _quality(parameter)
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


async def compress(response: Response, executor: Executor) -> Response:
    """The same answer with its body gzipped in a thread; zlib lets the interpreter go meanwhile."""
    loop = asyncio.get_running_loop()
    body = await loop.run_in_executor(executor, lambda: zlib.compress(response.body, _LEVEL, _GZIP))
    headers = (*response.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return msgspec.structs.replace(response, body=body, headers=headers)
