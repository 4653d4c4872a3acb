"""The shape of a table: its columns, and how an object becomes a row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Cells = Callable[[Any, datetime], list[Any]]
"""Object and the present moment to the cells of its row, one for each column."""

Conditions = Callable[[Any], list[dict[str, str]]]
"""Conditions of a row, as that a pod has completed (kubectl may leave such rows out)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``priority`` 1 is shown by ``-o wide`` only; ``format`` "name" marks the object's name."""

    name: str
    text: str
    type: str = "string"
    format: str = ""
    priority: int = 0

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.text,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class TableShape:
    """How the objects of one kind are shown."""

    columns: tuple[Column, ...]
    cells: Cells
    conditions: Conditions | None = None


NAME = Column("Name", "Name of the object, unique in its namespace.", format="name")
CREATED_AT = Column("Created At", "When it was made.", type="date")
AGE = Column("Age", "Time since the object was created.")


def wide(name: str, text: str) -> Column:
    return Column(name, text, priority=1)
