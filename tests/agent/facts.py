"""Values for tests of pure parts: pods and container records."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agent.pods.observed import Observed
from agent.runtime.records import SANDBOX_CONTAINER, ContainerRecord, State, spec_hash
from api.codec import convert
from api.core import Container, Pod

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "uid-1"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pod(*, containers: int = 1, inits: int = 0, **spec: Any) -> Pod:
    """Containers c0, c1, ...; init containers i0, i1, ..."""
    document = {
        "metadata": {"name": "p", "namespace": "ns", "uid": UID, "resourceVersion": "1"},
        "spec": {
            "containers": [{"name": f"c{n}", "image": "img:1"} for n in range(containers)],
            "initContainers": [{"name": f"i{n}", "image": "img:1"} for n in range(inits)],
            "terminationGracePeriodSeconds": 30,
            **spec,
        },
    }
    return convert(document, Pod)


def sandbox(*, attempt: int = 0, state: State = State.RUNNING, ip: str = "10.244.0.5", **more: Any) -> ContainerRecord:
    values = {"ip": ip, "sandbox_id": "", "id": f"sandbox-{attempt}", **more}
    return record(SANDBOX_CONTAINER, attempt=attempt, state=state, **values)


def record(container: str, *, attempt: int = 0, state: State = State.RUNNING, **more: Any) -> ContainerRecord:
    """A record of the pod above: running since a minute, or ended with code 0 just now after a second."""
    running = state is State.RUNNING
    values: dict[str, Any] = {
        "id": f"{container}-{attempt}",
        "pod_name": "p",
        "namespace": "ns",
        "uid": UID,
        "created_at": ago(61) if running else ago(2),
        "started_at": ago(60) if running else ago(1),
        "finished_at": None if running else NOW,
        "sandbox_id": "sandbox-0",
        "spec_hash": spec_hash(Container(name=container, image="img:1")),
        "pid": 100 if running else 0,
    }
    return ContainerRecord(container=container, attempt=attempt, state=state, **{**values, **more})


def ended(container: str, *, code: int = 0, **more: Any) -> ContainerRecord:
    return record(container, state=State.EXITED, exit_code=code, **more)


def observed(*records: ContainerRecord, **more: Any) -> Observed:
    return Observed(records=records, host_ip="192.0.2.9", **more)
