"""One setting of every type there is."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Settings of the test's component."""

    node_name: str = field(default="here", metadata={"help": "a name"})
    port: int = field(default=10250, metadata={"help": "a port"})
    interval_s: float = field(default=1.5, metadata={"help": "a time"})
    enabled: bool = field(default=True, metadata={"help": "a switch"})
    directory: Path = field(default=Path("/tmp"), metadata={"help": "a directory"})
    servers: tuple[str, ...] = field(default=("one", "two"), metadata={"help": "a list"})
    labels: dict[str, str] = field(default_factory=dict, metadata={"help": "a mapping"})
    proxy: str | None = field(default=None, metadata={"help": "a name or nothing"})
    file: Path | None = field(default=None, metadata={"help": "written to when it runs"})

    def check(self) -> list[str]:
        return [] if 0 < self.port < 65536 else [f"port: {self.port} is not within 1-65535"]
