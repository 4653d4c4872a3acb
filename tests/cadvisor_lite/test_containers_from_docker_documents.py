"""From Docker's inspect document to the facts that the labels are made of."""

from typing import Any

import pytest

from cadvisor_lite.containers import container_from_inspect, parse_docker_time


def document(**changes: Any) -> dict[str, Any]:
    whole = {
        "Id": "ab" * 32,
        "Name": "/web",
        "Image": "sha256:cd",
        "Created": "2023-11-14T22:13:20Z",
        "State": {"Running": True, "Pid": 7, "StartedAt": "2023-11-14T22:13:21.25Z"},
        "Config": {"Image": "nginx:1", "Labels": None},
        "HostConfig": {"NetworkMode": "default"},
    }
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000.123456),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5),
        ("2023-11-14T17:13:20-05:00", 1_700_000_000),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_dockers_times_are_read_to_the_microsecond(text: str, seconds: float) -> None:
    assert parse_docker_time(text) == pytest.approx(seconds, abs=1e-6)


def test_a_plain_container_has_a_name_and_an_image_and_no_pod() -> None:
    container = container_from_inspect(document())
    assert container is not None
    assert (container.name, container.image, container.pid) == ("web", "nginx:1", 7)
    assert (container.pod, container.namespace, container.container) == ("", "", "")


def test_a_container_that_does_not_run_is_none() -> None:
    assert (
        container_from_inspect(document(State={"Running": False, "Pid": 0, "StartedAt": "0001-01-01T00:00:00Z"}))
        is None
    )


@pytest.mark.parametrize(
    ("mode", "own"), [("bridge", True), ("steer0", True), ("none", True), ("host", False), ("container:ab", False)]
)
def test_a_container_in_anothers_or_the_hosts_network_owns_none(mode: str, own: bool) -> None:
    container = container_from_inspect(document(HostConfig={"NetworkMode": mode}))
    assert container is not None
    assert container.owns_network is own
