"""Settings of the scheduler."""

from dataclasses import dataclass, field
from pathlib import Path

from master.health import HealthSettings
from master.scheduler.configuration import Configuration, ConfigurationError, read

DEFAULT_NAME = "default-scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(HealthSettings):
    """What ``steersman scheduler`` can be told."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/scheduler.kubeconfig"),
        metadata={"help": "kubeconfig with which to reach the API server"},
    )
    scheduler_name: str = field(
        default=DEFAULT_NAME, metadata={"help": "only pods with this spec.schedulerName are placed"}
    )
    configuration: Path | None = field(
        default=None,
        metadata={"help": "KubeSchedulerConfiguration with filters, scores, weights and back-off; none: the defaults"},
    )

    def read_configuration(self) -> Configuration | None:
        """Raises ConfigurationError."""
        return read(self.configuration) if self.configuration is not None else None

    def check(self) -> list[str]:
        problems = [*self.election_problems(), *self.health_problems()]
        if not self.scheduler_name:
            problems.append("scheduler-name: must not be empty")
        try:
            found = self.read_configuration()
        except ConfigurationError as error:
            return [*problems, f"configuration: {error}"]
        names = {one.scheduler_name for one in (found.profiles if found is not None else ()) if one.scheduler_name}
        if names - {self.scheduler_name}:
            problems.append(
                f"configuration: schedulerName {', '.join(names)} is not scheduler-name {self.scheduler_name}"
            )
        return problems
