"""Usage of nodes and pods."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from api.metrics import NodeMetrics, PodMetrics
from api.scalars import Quantity
from master.apiserver.tables.column import NAME, Column, TableShape


def _shown(usages: list[dict[str, Quantity]]) -> list[str]:
    """Millicores and mebibytes, as ``kubectl top`` shows them."""
    cpu = sum((usage["cpu"].value for usage in usages if "cpu" in usage), Decimal(0))
    memory = sum((usage["memory"].value for usage in usages if "memory" in usage), Decimal(0))
    return [f"{int(cpu * 1000)}m", f"{int(memory) // 2**20}Mi"]


def _node(metrics: NodeMetrics, _: datetime) -> list[Any]:
    return [metrics.metadata.name, *_shown([metrics.usage]), metrics.window]


def _pod(metrics: PodMetrics, _: datetime) -> list[Any]:
    return [metrics.metadata.name, *_shown([one.usage for one in metrics.containers]), metrics.window]


_COLUMNS = (
    NAME,
    Column("cpu", "Processor used, of the window."),
    Column("memory", "Memory that cannot be given up."),
    Column("window", "Over how long."),
)
NODE = TableShape(_COLUMNS, _node)
POD = TableShape(_COLUMNS, _pod)
