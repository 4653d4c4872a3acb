"""The table of a scale, as ``kubectl get deployment/NAME --subresource=scale`` shows it."""

from datetime import datetime
from typing import Any

from api.autoscaling import Scale
from master.apiserver.tables.cells import age
from master.apiserver.tables.column import AGE, NAME, Column, TableShape


def _scale(scale: Scale, now: datetime) -> list[Any]:
    metadata = scale.metadata
    return [metadata.name, scale.spec.replicas, scale.status.replicas, age(metadata.creation_timestamp, now)]


SHAPE = TableShape(
    (
        NAME,
        Column("Desired", "How many pods are wanted.", type="integer"),
        Column("Available", "How many pods there are.", type="integer"),
        AGE,
    ),
    _scale,
)
