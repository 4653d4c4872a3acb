"""Settings of the scheduler."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What ``steersman scheduler`` can be told."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/scheduler.kubeconfig"),
        metadata={"help": "kubeconfig with which to reach the API server"},
    )
    scheduler_name: str = field(
        default="default-scheduler", metadata={"help": "only pods with this spec.schedulerName are placed"}
    )

    def check(self) -> list[str]:
        return [] if self.scheduler_name else ["scheduler-name: must not be empty"]
