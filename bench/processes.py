"""What processes have cost."""

import os
from pathlib import Path


def busy_s(process: int) -> float:
    """Processor time so far, all threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(process: int) -> float:
    """Memory that is there now."""
    (line,) = (one for one in Path(f"/proc/{process}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Processes:
    """Some by name."""

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = processes

    def busy_s(self) -> dict[str, float]:
        return {name: busy_s(process) for name, process in self._processes.items()}

    def resident_mib(self) -> dict[str, float]:
        return {name: resident_mib(process) for name, process in self._processes.items()}
