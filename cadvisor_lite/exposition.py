"""The Prometheus text format: escaping, numbers, and one visible list of metric families.

Each line's container labels are written once in the life of a container, not once a scrape. The label set is fixed
(container, id, image, name, namespace, pod), so that what users put on containers cannot multiply the series.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cadvisor_lite.containers import Container
from cadvisor_lite.readers import Cgroup, ContainerSample, FilesystemSample, Holdings

Number = int | float
# (text of labels that differ inside the family, starting with a comma; value)
Series = Iterable[tuple[str, Number]]


class Source(NamedTuple):
    """What a family draws its series from: one container's (or the root's) sample and facts.

    `filesystems`: the machine's, for the root alone.
    """

    sample: ContainerSample
    devices: dict[str, str]
    start_time_s: float
    holdings: Holdings
    filesystems: tuple[FilesystemSample, ...]


# (the labels that all series of a container carry, what they are drawn from)
Row = tuple[str, Source]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with one series a container. `value` is None where there is nothing to tell.

    `extra`: labels that are the same for all, starting with a comma. `group`: by which a setting leaves it out.
    """

    name: str
    type: str
    help: str
    value: Callable[[Source], Number | None]
    extra: str = ""
    group: str = ""

    def lines(self, rows: list[Row]) -> list[str]:
        name, value, extra = self.name, self.value, self.extra
        return [
            f"{name}{{{labels}{extra}}} {number}" for labels, source in rows if (number := value(source)) is not None
        ]


@dataclass(frozen=True, slots=True)
class SpreadFamily:
    """A metric with several series a container, one for each interface, device or kind of fault."""

    name: str
    type: str
    help: str
    series: Callable[[Source], Series]
    group: str = ""

    def lines(self, rows: list[Row]) -> list[str]:
        name, series = self.name, self.series
        return [f"{name}{{{labels}{extra}}} {number}" for labels, source in rows for extra, number in series(source)]


def escape_label(value: str) -> str:
    """A label value for the text format. A lone surrogate, which UTF-8 cannot carry, becomes "?"."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped.encode(errors="replace").decode()


def container_labels(container: Container | None, cgroup: Cgroup) -> str:
    """The labels that every series of a container carries, without braces."""
    values = {"container": "", "id": cgroup.name, "image": "", "name": "", "namespace": "", "pod": ""}
    if container is not None:
        values.update(
            container=container.container,
            image=container.image,
            name=container.name,
            namespace=container.namespace,
            pod=container.pod,
        )
    return ",".join(f'{key}="{escape_label(value)}"' for key, value in values.items())


def head(name: str, type_: str, help_: str) -> str:
    return f"# HELP {name} {help_}\n# TYPE {name} {type_}"


def render_families(families: Iterable[Family | SpreadFamily], rows: list[Row]) -> Iterator[str]:
    """The text of one family after the other, over all rows; a family with no series is left out.

    Its lines are joined before the next one's are made: what is still in the processor's cache is joined for nothing.
    """
    for family in families:
        if found := family.lines(rows):
            yield "\n".join((head(family.name, family.type, family.help), *found))
