"""A page of lines whose parts are lined up at their tabs, as Go's text/tabwriter does it; and what many pages share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.steer.notes import NOTE

Object = dict[str, Any]

_PADDING = 2
_LONGEST = 140


class Page:
    """Lines are added with a level of indentation; cells are separated by tabs."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, text: str, level: int = 0) -> None:
        self._lines.append("  " * level + text)

    def field(self, name: str, value: object, level: int = 0) -> None:
        self.add(f"{name}:\t{value}", level)

    def labels(self, name: str, labels: Mapping[str, str] | None) -> None:
        """``name`` may begin with blanks."""
        pairs = [f"{key}={value}" for key, value in sorted((labels or {}).items())]
        self.several(name, pairs)

    def several(self, name: str, values: Sequence[str]) -> None:
        """The first beside the name, the others below it."""
        first, *rest = values or ["<none>"]
        self.add(f"{name}:\t{first}")
        for value in rest:
            self.add(f"\t{value}")

    def annotations(self, name: str, annotations: Mapping[str, str] | None) -> None:
        lines: list[str] = []
        for key, value in sorted((annotations or {}).items()):
            text = value.removesuffix("\n")
            if key == NOTE:
                continue
            if len(key) + len(text) + 2 > _LONGEST or "\n" in text:
                lines.append(f"{key}:")
                lines += [f"  {_shortened(line)}" for line in text.split("\n")]
            else:
                lines.append(f"{key}: {text}")
        self.several(name, lines)

    def text(self) -> str:
        return "\n".join(_aligned([line.split("\t") for line in self._lines], 0)) + "\n"


def _shortened(line: str) -> str:
    most = _LONGEST - 2
    return line if len(line) <= most else f"{line[:most]}..."


def _aligned(lines: list[list[str]], column: int) -> list[str]:
    """A column is as wide as the widest of the lines that follow each other and have it."""
    shown: list[str] = []
    at = 0
    while at < len(lines):
        if len(lines[at]) - 1 <= column:
            shown.append(lines[at][column] if column < len(lines[at]) else "")
            at += 1
            continue
        end = at
        while end < len(lines) and len(lines[end]) - 1 > column:
            end += 1
        block = lines[at:end]
        width = max(len(line[column]) for line in block) + _PADDING
        rest = _aligned(block, column + 1)
        shown += [line[column].ljust(width) + more for line, more in zip(block, rest, strict=True)]
        at = end
    return shown


def when(text: str | None) -> str:
    """A time as Go prints it in RFC 1123 with a numeric zone."""
    if not text:
        return "<unset>"
    return datetime.fromisoformat(text).strftime("%a, %d %b %Y %H:%M:%S +0000")


def since(text: str | None) -> str:
    """How long ago a time was."""
    if not text:
        return "<unknown>"
    return duration((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())


def duration(seconds: float) -> str:
    """In one or two units, as Kubernetes shortens it (apimachinery's duration.HumanDuration)."""
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y{days % 365}d" if days % 365 and days < 2920 else f"{days // 365}y"


def begin(page: Page, item: Object, *, namespaced: bool = True) -> None:
    """Name and namespace."""
    page.field("Name", item["metadata"]["name"])
    if namespaced:
        page.field("Namespace", item["metadata"].get("namespace", ""))


def events_of(page: Page, events: Sequence[Object] | None) -> None:
    """None: events were not asked for."""
    if events is None:
        return
    if not events:
        page.field("Events", "<none>")
        return
    page.add("Events:")
    page.add("Type\tReason\tAge\tFrom\tMessage", 1)
    page.add("----\t------\t----\t----\t-------", 1)
    for event in sorted(events, key=lambda event: last_seen(event) or ""):
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
        part = (event.get("involvedObject") or {}).get("fieldPath")
        message = event.get("message", "").strip()
        told = f"{part}: {message}" if part else message
        page.add(f"{event.get('type')}\t{event.get('reason')}\t{age(event)}\t{source}\t{told}", 1)


def last_seen(event: Object) -> str | None:
    """When it happened last, as the API writes times."""
    series = event.get("series") or {}
    found: str | None = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return found


def age(event: Object) -> str:
    """How long ago it happened last, and how often since when."""
    first = event.get("firstTimestamp") or event.get("eventTime")
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    return f"{since(last_seen(event))} (x{count} over {since(first)})" if count > 1 else since(first)


def truth(value: object) -> str:
    """As kubectl prints a yes or no of a status."""
    return "True" if value else "False"
