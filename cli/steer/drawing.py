"""Rows that the server draws, as a table of one kind: what was got, and what a watch brings later."""

from dataclasses import dataclass
from typing import Any

from cli.steer.output.printing import Form
from cli.steer.output.table import Table, cell
from cli.steer.selection import Chosen

# Asks for the server's table, or the objects where it draws none.
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be got, and how it is to look."""

    labels: str
    fields: str
    everywhere: bool
    form: Form
    headers: bool
    show_labels: bool
    label_columns: tuple[str, ...]
    show_kind: bool
    sort_by: str
    chunk_size: int
    subresource: str
    server_print: bool
    watch_events: bool
    ignore_missing: bool


class Drawing:
    """Rows of one kind, also those that a watch brings later."""

    def __init__(self, one: Chosen, wanted: Wanted, *, show_kind: bool = False) -> None:
        self._one = one
        self._wanted = wanted
        self._show_kind = show_kind or wanted.show_kind
        self._table: Table | None = None
        self._columns: list[int] = []
        self._priorities: list[Any] = []

    def show(self, columns: list[Any], rows: list[Any], event: str = "") -> None:
        if self._table is None:
            self._table = self._begun(columns)
        mark = [event] if self._wanted.watch_events else []
        self._table.print([[*mark, *self._cells(row)] for row in rows])

    def _begun(self, columns: list[Any]) -> Table:
        wide = self._wanted.form == "wide"
        self._columns = [at for at, column in enumerate(columns) if wide or not column.get("priority")]
        head = [columns[at]["name"] for at in self._columns]
        labels = [label.rpartition("/")[2] for label in self._wanted.label_columns]
        head = [
            *(["EVENT"] if self._wanted.watch_events else []),
            *(["NAMESPACE"] if self._spaced else []),
            *head,
            *labels,
            *(["LABELS"] if self._wanted.show_labels else []),
        ]
        return Table([name.upper() for name in head], headers=self._wanted.headers)

    @property
    def _spaced(self) -> bool:
        return self._wanted.everywhere and self._one.kind.namespaced

    def _cells(self, row: Any) -> list[str]:
        meta = row["object"]["metadata"]
        labels = meta.get("labels") or {}
        cells = [cell(row["cells"][at]) for at in self._columns]
        if self._show_kind and cells:
            cells[0] = f"{self._one.kind.qualified}/{cells[0]}"
        own = [labels.get(label, "") for label in self._wanted.label_columns]
        if self._wanted.show_labels:
            own.append(",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>")
        return [*([meta.get("namespace", "")] if self._spaced else []), *cells, *own]
