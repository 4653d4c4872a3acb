"""What a client asks of a log, and which lines answer it. Pure.

The options are those of ``PodLogOptions``: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.runtime.logs import LogLine
from agent.runtime.records import parse_time
from api.errors import BadRequest
from api.scalars import whole_number

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsQuery:
    """tail_lines None: all. since: nothing older. limit_bytes None: no limit."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None


def parse_query(query: Mapping[str, str], now: datetime) -> LogsQuery:
    """Raises BadRequest that names the option."""
    since_s = _number(query, "sinceSeconds", least=1)
    since = now - timedelta(seconds=since_s) if since_s is not None else None
    if text := query.get("sinceTime"):
        try:
            since = parse_time(text)
        except ValueError as error:
            raise BadRequest(f"sinceTime: {error}") from error
    return LogsQuery(
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=_number(query, "tailLines", least=0),
        since=since.astimezone(UTC) if since is not None else None,
        limit_bytes=_number(query, "limitBytes", least=1),
    )


def _number(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name)
    if not text:
        return None
    number = whole_number(text)
    if number is None or number < least:
        raise BadRequest(f"{name}: {text[:80]!r} is not a whole number of at least {least}")
    return number


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "")
    if text not in ("", "true", "false", "1", "0"):
        raise BadRequest(f"{name}: {text!r} is neither true nor false")
    return text in ("true", "1")


def chosen(lines: Iterable[LogLine], query: LogsQuery) -> Iterator[LogLine]:
    """Lines that are new enough, and of those the last ones. A line may have come in several pieces."""
    recent = (line for line in lines if _is_recent(line, query))
    if query.tail_lines is None:
        yield from recent
        return
    tail: deque[list[LogLine]] = deque(maxlen=query.tail_lines)
    pieces: list[LogLine] = []
    for line in recent:
        pieces.append(line)
        if line.text.endswith("\n"):
            tail.append(pieces)
            pieces = []
    if pieces:
        tail.append(pieces)
    for whole in tail:
        yield from whole


def _is_recent(line: LogLine, query: LogsQuery) -> bool:
    when = line.when
    return query.since is None or when is None or when >= query.since


def rendered(line: LogLine, query: LogsQuery) -> bytes:
    text = f"{line.time} {line.text}" if query.timestamps else line.text
    return text.encode()


def joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth a packet each."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
