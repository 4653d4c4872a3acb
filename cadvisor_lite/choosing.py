"""Which containers a name means."""

from cadvisor_lite.readers import ContainerSample
from cadvisor_lite.tracked import Snapshot, Tracked

Row = tuple[Tracked, ContainerSample]


def chosen(snapshot: Snapshot, name: str, *, recursive: bool) -> list[Row]:
    """The cgroup of this absolute name; with `recursive` all below it as well."""
    start = name.rstrip("/") + "/"
    return [
        row
        for row in snapshot.tracked
        if row[0].cgroup.name == name or (recursive and (row[0].cgroup.name + "/").startswith(start))
    ]


def of_docker(snapshot: Snapshot, wanted: str) -> list[Row]:
    """All of Docker's when nothing is wanted; else by full name or id first, then by the start of an id."""
    rows = [row for row in snapshot.tracked if row[0].container is not None]
    if not wanted:
        return rows
    exact = [row for row in rows if row[0].container and wanted in (row[0].container.name, row[0].container.id)]
    return exact or [row for row in rows if row[0].container and row[0].container.id.startswith(wanted)]
