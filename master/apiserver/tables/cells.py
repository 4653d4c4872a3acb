"""What the cells of several tables have in common: ages, lists cut short, words for nothing."""

from collections.abc import Iterable
from datetime import datetime

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"
SHOWN_MAX = 3


def human_duration(seconds: float) -> str:
    """As kubectl writes ages: ``5s``, ``3m20s``, ``4h``, ``12d`` (apimachinery, duration.HumanDuration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _long_duration(hours)


def _long_duration(hours: int) -> str:
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def age(when: datetime | None, now: datetime) -> str:
    return UNKNOWN if when is None else human_duration((now - when).total_seconds())


def moment(when: datetime | None) -> str:
    return UNKNOWN if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(values: Iterable[str], *, empty: str) -> str:
    """At most three values, and how many more there are."""
    every = list(values)
    if not every:
        return empty
    shown = ",".join(every[:SHOWN_MAX])
    return f"{shown} + {len(every) - SHOWN_MAX} more..." if len(every) > SHOWN_MAX else shown


def selector(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE
