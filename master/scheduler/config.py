"""Settings of the scheduler."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from master.health import HealthSettings
from master.scheduler.configuration import DEFAULT_NAME, Configuration, ConfigurationError, election_of, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(HealthSettings):
    """What ``steersman scheduler`` can be told."""

    kubeconfig: Path = field(
        default=Path("/etc/steersman/scheduler.kubeconfig"),
        metadata={"help": "kubeconfig with which to reach the API server"},
    )
    scheduler_name: str = field(
        default=DEFAULT_NAME,
        metadata={"help": "only pods with this spec.schedulerName are placed; of a profile that has no name"},
    )
    configuration: Path | None = field(
        default=None,
        metadata={
            "help": "KubeSchedulerConfiguration: profiles, plugins, arguments, back-off, election; none: the defaults"
        },
    )

    def read_configuration(self) -> Configuration | None:
        """Raises ConfigurationError."""
        return read(self.configuration) if self.configuration is not None else None

    def check(self) -> list[str]:
        problems = [*self.health_problems()]
        if not self.scheduler_name:
            problems.append("scheduler-name: must not be empty")
        try:
            return [*problems, *self.with_file(self.read_configuration()).election_problems()]
        except ConfigurationError as error:
            return [*problems, f"configuration: {error}"]

    def with_file(self, found: Configuration | None) -> "Config":
        """With what the configuration file says of the election and of the API server. Raises ConfigurationError."""
        if found is None:
            return self
        path = found.client_connection.kubeconfig
        said: dict[str, Any] = election_of(found.leader_election) | ({"kubeconfig": Path(path)} if path else {})
        return replace(self, **said)
