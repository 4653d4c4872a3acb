"""Logs of containers: the links under which collectors find them, and Docker's json-file format read back.

Docker writes one JSON line a line of output ({"log", "stream", "time"}).
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from agent.runtime.records import ContainerRecord, parse_time

log = logging.getLogger(__name__)


class LogLinks:
    """Makes and removes the links of Kubernetes: <pod>_<ns>_<container>-<id>.log, and a folder a pod."""

    def __init__(self, container_dir: Path, pod_dir: Path) -> None:
        self._container_dir = container_dir
        self._pod_dir = pod_dir

    def make(self, record: ContainerRecord) -> None:
        """/var/log/containers/... -> /var/log/pods/<ns>_<pod>_<uid>/<container>/<attempt>.log -> Docker's file."""
        if not record.log_path:
            return
        middle = self._middle(record)
        try:
            middle.parent.mkdir(parents=True, exist_ok=True)
            self._container_dir.mkdir(parents=True, exist_ok=True)
            _link(middle, Path(record.log_path))
            _link(self._outer(record), middle)
        except OSError as error:  # a full disk; the container runs, only collectors do not find its log
            log.warning("log not linked container=%.12s error=%s", record.id, error)

    def remove(self, record: ContainerRecord) -> None:
        """The outer link last: by it the rest is found when this is cut off."""
        _remove_with_folders(self._middle(record))
        self._outer(record).unlink(missing_ok=True)

    def remove_stale(self, alive: set[str]) -> None:
        """Removes links of ours whose container is not among the ids: it went while no agent ran."""
        for link in self._container_dir.glob("*_*_*-*.log"):
            container_id = link.stem.rpartition("-")[2]
            if container_id in alive or not link.is_symlink():
                continue
            middle = link.readlink()
            if middle.is_relative_to(self._pod_dir) and not middle.exists():
                _remove_with_folders(middle)
                link.unlink(missing_ok=True)

    def _middle(self, record: ContainerRecord) -> Path:
        folder = f"{record.namespace}_{record.pod_name}_{record.uid}"
        return self._pod_dir / folder / record.container / f"{record.attempt}.log"

    def _outer(self, record: ContainerRecord) -> Path:
        return self._container_dir / f"{record.pod_name}_{record.namespace}_{record.container}-{record.id}.log"


def _remove_with_folders(middle: Path) -> None:
    middle.unlink(missing_ok=True)
    for folder in (middle.parent, middle.parent.parent):
        try:
            folder.rmdir()
        except OSError:
            return  # another container, or another attempt, still has its link there


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


class _RawLine(msgspec.Struct):
    log: str = ""
    stream: str = "stdout"
    time: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of output, with its line end if it had one; ``time`` as Docker wrote it, RFC 3339 with nanoseconds."""

    text: str
    stream: str
    time: str

    @property
    def when(self) -> datetime | None:
        return parse_time(self.time)


_PLAIN = re.compile(rb"(\d{4}-\d\d-\d\dT\S+) (stdout|stderr) ([FP]) ([^\n]*)")
_decoder = msgspec.json.Decoder(_RawLine)


def parse_line(line: bytes) -> LogLine | None:
    """None for what is no line of the daemon's: a crash of the host may leave NULs or half a line.

    Podman writes "<time> <stream> <F or P> <text>" instead, as runtimes of Kubernetes do; P is a piece of a line.
    """
    if found := _PLAIN.match(line):
        time, stream, whole, text = (part.decode(errors="replace") for part in found.groups())
        return LogLine(text + ("\n" if whole == "F" else ""), stream, time)
    try:
        raw = _decoder.decode(line.strip(b"\0"))
    except msgspec.MsgspecError:
        return None
    return LogLine(raw.log, raw.stream, raw.time)


def log_files(path: Path) -> list[Path]:
    """The log's files, oldest first."""
    rotated = [file for file in path.parent.glob(f"{path.name}.*") if file.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda file: -int(file.suffix[1:])), path]


def last_output(path: Path, *, limit_bytes: int, limit_lines: int) -> str:
    """The end of a container's output."""
    lines: list[str] = []
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4 * limit_bytes))
            for raw in file.read().splitlines():
                line = parse_line(raw)
                if line is not None:
                    lines.append(line.text)
    except OSError as error:
        log.info("log not read path=%s error=%s", path, error)
    return "".join(lines[-limit_lines:])[-limit_bytes:]
