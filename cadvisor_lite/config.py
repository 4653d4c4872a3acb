"""What cadvisor_lite can be told. One field is one flag, one environment variable and one key of the file."""

from dataclasses import dataclass, field
from pathlib import Path

from cadvisor_lite.readers import Roots

# As cAdvisor's --disable_metrics calls them; "cpuLoad" is container_tasks_state, five series a container.
GROUPS = ("cpu", "cpuLoad", "disk", "diskIO", "memory", "network", "oom_event", "process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings; `check` lists what is wrong with them."""

    listen_address: str = field(default="0.0.0.0", metadata={"help": "address the metrics and the page are served on"})
    port: int = field(default=4194, metadata={"help": "TCP port; 0 takes any free one"})
    docker_host: str = field(
        default="unix:///var/run/docker.sock", metadata={"help": "Docker daemon: unix://PATH or tcp://HOST:PORT"}
    )
    housekeeping_interval_s: float = field(
        default=10.0, metadata={"help": "seconds between two samples kept for the graphs"}
    )
    storage_duration_s: float = field(default=120.0, metadata={"help": "seconds of samples kept for each container"})
    disable_metrics: tuple[str, ...] = field(
        default=("cpuLoad",), metadata={"help": f"groups of metrics to leave out, of {', '.join(GROUPS)}"}
    )
    container_labels: tuple[str, ...] = field(
        default=("com.docker.compose.project", "com.docker.compose.service"),
        metadata={"help": "labels of containers that container_info shows"},
    )
    count_per_round: int = field(
        default=2000,
        metadata={"help": "files, descriptors and threads counted in a housekeeping round; 0 counts none"},
    )
    kept_descriptors: int = field(
        default=16384,
        metadata={"help": "descriptors kept open on cgroup files, at most three quarters of what is allowed"},
    )
    cache_s: float = field(default=1.0, metadata={"help": "seconds for which scrapes share one reading"})
    proc_root: Path = field(default=Path("/proc"), metadata={"help": "where the host's /proc is mounted"})
    cgroup_root: Path = field(default=Path("/sys/fs/cgroup"), metadata={"help": "where the cgroup tree is mounted"})
    sys_root: Path = field(default=Path("/sys"), metadata={"help": "where the host's /sys is mounted"})
    etc_root: Path = field(default=Path("/etc"), metadata={"help": "where the host's /etc is (machine-id, os-release)"})

    def check(self) -> list[str]:
        """Problems as `field: what is wrong`; empty when the settings can be used."""
        problems = []
        if not 0 <= self.port <= 65535:
            problems.append(f"port: {self.port} is not between 0 and 65535")
        if not self.docker_host.startswith(("unix://", "tcp://", "http://", "https://")):
            problems.append(f"docker_host: {self.docker_host!r} starts with neither unix:// nor tcp://")
        if self.housekeeping_interval_s < 1:
            problems.append("housekeeping_interval_s: must be at least 1")
        if self.storage_duration_s < self.housekeeping_interval_s:
            problems.append("storage_duration_s: is shorter than housekeeping_interval_s")
        if unknown := set(self.disable_metrics) - set(GROUPS):
            problems.append(f"disable_metrics: there is no {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
        if self.count_per_round < 0:
            problems.append("count_per_round: must not be negative")
        if self.kept_descriptors < 0:
            problems.append("kept_descriptors: must not be negative")
        if not 0 <= self.cache_s <= 60:
            problems.append("cache_s: must be between 0 and 60")
        return problems

    @property
    def roots(self) -> Roots:
        return Roots(proc=self.proc_root, cgroup=self.cgroup_root, sys=self.sys_root, etc=self.etc_root)

    @property
    def history_length(self) -> int:
        """Samples kept for each container."""
        return int(self.storage_duration_s // self.housekeeping_interval_s) + 1
