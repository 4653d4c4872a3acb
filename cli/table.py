"""Tables for people: columns as wide as they must be, in kubectl's manner."""

from collections.abc import Sequence


def render(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of aligned cells; no trailing blanks."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)


def age(seconds: float) -> str:
    """A duration in one or two units, as kubectl shows ages: 45s, 12m, 5h13m, 3d4h."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 3 * 3600:
        return f"{whole // 60}m"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def size(octets: int) -> str:
    """Bytes in mebibytes."""
    return f"{octets / 2**20:.1f}Mi"
