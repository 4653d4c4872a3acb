"""What cadvisor_lite can be told. One field is one flag, one environment variable and one key of the file."""

from dataclasses import dataclass, field
from pathlib import Path

from cadvisor_lite.readers import Roots


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
