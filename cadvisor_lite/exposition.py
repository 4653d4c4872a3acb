"""The Prometheus text format: escaping, numbers, and one visible list of metric families.

Each line's container labels are written once in the life of a container, not once a scrape. The label set is fixed
(container, id, image, name, namespace, pod), so that what users put on containers cannot multiply the series.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cadvisor_lite.containers import Container
from cadvisor_lite.readers import Cgroup, ContainerSample

Number = int | float
# (text of labels that differ inside the family, starting with a comma; value)
Series = Iterable[tuple[str, Number]]


@dataclass(frozen=True, slots=True)
class Source:
    """What a family draws its series from: one container's (or the root's) sample and facts."""

    sample: ContainerSample
    devices: dict[str, str]
    start_time_s: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of containers. `series` gives nothing where there is nothing to tell."""

    name: str
    type: str
    help: str
    series: Callable[[Source], Series]


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


def render_families(families: Iterable[Family], rows: list[tuple[str, Source]]) -> list[str]:
    """Lines of all families over all rows of (labels, source); a family with no series is left out."""
    lines: list[str] = []
    for family in families:
        series, name = family.series, family.name
        found = [f"{name}{{{labels}{extra}}} {value}" for labels, source in rows for extra, value in series(source)]
        if found:
            lines.append(head(name, family.type, family.help))
            lines += found
    return lines
