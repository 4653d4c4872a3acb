"""What the tests' API server is told."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Settings of the tests' API server."""

    port: int = field(metadata={"help": "its port"})
    pki: Path = field(metadata={"help": "where its certificate is"})
    node_name: str = field(metadata={"help": "the node it knows"})
