"""/api/v2.1/…: options and names as cAdvisor takes them.

`type` is "name" (a cgroup) or "docker" (a name, an id or the unambiguous start of one); `recursive=true` takes in what
is below; `count` is how many samples, -1 for all. `max_age` is any of Go's durations: a reading is never older than
`cache_s`, whatever it says.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from cadvisor_lite import rest, rest_v2
from cadvisor_lite.choosing import Row, chosen, of_docker
from cadvisor_lite.config import Config
from cadvisor_lite.containers import parse_docker_time
from cadvisor_lite.docker_watch import DockerWatch
from cadvisor_lite.event_log import CREATION, DELETION, OOM_KILL, Event
from cadvisor_lite.http_server import Request, RequestError
from cadvisor_lite.inventory import procs_file
from cadvisor_lite.monitor import Monitor
from cadvisor_lite.readers.files import read_optional
from cadvisor_lite.readers.processes import read_processes
from cadvisor_lite.tracked import Snapshot

_DEFAULT_COUNT, _DEFAULT_EVENTS = 64, 10
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)")
# As Go's strconv.ParseBool reads it.
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_EVENT_KINDS = {"creation_events": CREATION, "deletion_events": DELETION, "oom_kill_events": OOM_KILL}
Document = object


@dataclass(frozen=True, slots=True)
class Options:
    """Of a request."""

    by_docker: bool
    count: int
    recursive: bool


def options_of(request: Request) -> Options:
    """Raises RequestError with cAdvisor's words."""
    kind = request.query.get("type") or "name"
    if kind not in ("name", "docker"):
        raise RequestError(400, f"unknown 'type' \"{kind}\"")
    text = request.query.get("count") or str(_DEFAULT_COUNT)
    try:
        count = int(text)
    except ValueError as error:
        raise RequestError(400, f"failed to parse 'count' option: {text}") from error
    if count < -1:
        raise RequestError(400, f"invalid 'count' option: only -1 and larger values allowed, not {count}")
    age = request.query.get("max_age", "")
    if age and not _DURATION.fullmatch(age):
        raise RequestError(400, f"failed to parse 'max_age' option: {age}")
    return Options(kind == "docker", count, request.query.get("recursive") == "true")


class RoutesV2:
    """Callable: (request, what follows /api/v2.1/) -> JSON document. Raises RequestError."""

    def __init__(self, config: Config, monitor: Monitor, watch: DockerWatch, version: str) -> None:
        self._config = config
        self._monitor = monitor
        self._watch = watch
        self._version = version
        self._of_containers: dict[str, Callable[[Snapshot, list[Row], Options], Document]] = {
            "stats": self._stats,
            "summary": self._summary,
            "spec": self._spec,
            "ps": self._ps,
        }
        self._of_machine: dict[str, Callable[[Snapshot, Request], Document]] = {
            "machine": lambda snapshot, _: rest.machine_document(snapshot.machine),
            "machinestats": self._machine_stats,
            "attributes": self._attributes,
            "storage": self._storage,
            "version": lambda _snapshot, _request: self._version,
        }

    @property
    def kinds(self) -> list[str]:
        return sorted((*self._of_containers, *self._of_machine, "events"))

    def __call__(self, request: Request, rest_of_path: str) -> Document:
        kind, _, name = rest_of_path.partition("/")
        if kind in self._of_machine:
            return self._of_machine[kind](self._monitor.snapshot(), request)
        if kind == "events":
            return rest_v2.event_documents(events_for(self._monitor.events.all(), request, "/" + name.strip("/")))
        if kind in self._of_containers:
            snapshot, options = self._monitor.snapshot(), options_of(request)
            rows = _rows(snapshot, name, options)
            return self._of_containers[kind](snapshot, rows, options)
        raise RequestError(404, f'unknown request type "{kind}"')

    def _stats(self, snapshot: Snapshot, rows: list[Row], options: Options) -> Document:
        """Without the root, which is `machinestats`."""
        return {
            tracked.cgroup.name: rest_v2.info_document(tracked, sample, snapshot, count=options.count)
            for tracked, sample in rows
            if tracked.container is not None
        }

    def _summary(self, _snapshot: Snapshot, rows: list[Row], _options: Options) -> Document:
        return {tracked.cgroup.name: rest_v2.summary_document(tracked, sample) for tracked, sample in rows}

    def _spec(self, snapshot: Snapshot, rows: list[Row], _options: Options) -> Document:
        return {row[0].cgroup.name: rest_v2.container_spec_document(*row, snapshot) for row in rows}

    def _ps(self, snapshot: Snapshot, rows: list[Row], _options: Options) -> Document:
        tracked, _ = rows[0]
        proc, machine = self._config.proc_root, snapshot.machine
        if tracked.container is None:
            pids = [int(path.name) for path in proc.iterdir() if path.name.isdigit()]
        else:
            pids = [int(word) for word in (read_optional(procs_file(tracked.cgroup)) or b"").split()]
        processes = read_processes(str(proc), pids, boot_time_s=machine.boot_time_s)
        return rest_v2.process_documents(processes, tracked.cgroup.name, machine)

    def _machine_stats(self, snapshot: Snapshot, request: Request) -> Document:
        tracked, sample = next(row for row in snapshot.tracked if row[0].container is None)
        return rest_v2.machine_stats_document(tracked, sample, snapshot, count=options_of(request).count)

    def _attributes(self, snapshot: Snapshot, _request: Request) -> Document:
        return rest_v2.attributes_document(
            snapshot.machine, docker_version=self._watch.docker_version, version=self._version
        )

    def _storage(self, snapshot: Snapshot, request: Request) -> Document:
        if request.query.get("uuid"):
            raise RequestError(501, "storage by uuid is not served; by label it is")
        label = request.query.get("label", "")
        found = rest_v2.storage_document(snapshot.machine, label)
        if label and not found:
            raise RequestError(404, f"no filesystem with label {label!r}")
        return found


def _rows(snapshot: Snapshot, name: str, options: Options) -> list[Row]:
    """Never empty. Raises RequestError."""
    if options.by_docker:
        rows = of_docker(snapshot, name.strip("/"))
        if name.strip("/") and len(rows) != 1:
            raise RequestError(404, f"unable to find Docker container {name.strip('/')!r}")
    else:
        rows = chosen(snapshot, "/" + name.strip("/"), recursive=options.recursive)
    if not rows:
        raise RequestError(404, f"unknown container {'/' + name.strip('/')!r}")
    return rows


def events_for(events: tuple[Event, ...], request: Request, name: str) -> list[Event]:
    """Of the kinds asked for (`all_events=true` or each), of one cgroup or with `subcontainers` of those below.

    The newest `max_events` from `start_time` to `end_time`; as with cAdvisor, ten where nothing or nonsense is said.
    Raises RequestError for a stream, which is not served.
    """
    query = request.query
    if query.get("stream") in _TRUE:
        raise RequestError(501, "a stream of events is not served; ask for those of the past")
    everything = query.get("all_events") in _TRUE
    kinds = {kind for option, kind in _EVENT_KINDS.items() if everything or query.get(option) in _TRUE}
    below = query.get("subcontainers") in _TRUE
    start_s, end_s = _moment(query.get("start_time"), -inf), _moment(query.get("end_time"), inf)
    found = [
        event
        for event in events
        if event.type in kinds
        and start_s <= event.time_s <= end_s
        and (event.container == name or (below and event.container.startswith(name.rstrip("/") + "/")))
    ]
    most = query.get("max_events", "")
    limit = int(most) if _NUMBER.fullmatch(most) else _DEFAULT_EVENTS
    return found[-limit:] if limit > 0 else found


def _moment(text: str | None, otherwise: float) -> float:
    try:
        return parse_docker_time(text) if text else otherwise
    except ValueError:  # as cAdvisor: what is no time counts as not given
        return otherwise
