"""Pods end before the machine goes down. logind is played by the test, on a message bus of its own."""

import os
import select
from collections.abc import Iterator

import pytest
from jeepney import DBusAddress

from agent.config import Config
from api.core import Node, Pod
from tests.agent.bus import Bus, Service
from tests.agent.cluster import NODE, Cluster, phase, ready
from tests.e2e.waiting import until

_LOGIND = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")


class Logind(Service):
    """Hands out locks as the real one does: the end of a pipe, and whoever closes it lets go."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, "org.freedesktop.login1")
        self.lock = -1
        self.answers["Get"] = ("v", (("t", 60_000_000),))
        self.grant()

    def grant(self) -> None:
        self.lock, given = os.pipe()
        os.set_blocking(self.lock, False)
        self.answers["Inhibit"] = ("h", (given,))

    def held(self) -> bool:
        """Whether somebody has the lock; the test's own copy is closed once it was handed out."""
        return not select.select([self.lock], [], [], 0)[0]

    def handed_out(self) -> bool:
        return any(call.member == "Inhibit" for call in list(self.calls))

    def close_own(self) -> None:
        os.close(self.answers.pop("Inhibit")[1][0])

    def say(self, begins: bool) -> None:
        self.signal(_LOGIND, "PrepareForShutdown", "b", (begins,))


@pytest.fixture
def manager(bus: Bus) -> Iterator[Logind]:
    made = Logind(bus)
    yield made
    made.stop()


def _node_ready(cluster: Cluster) -> tuple[str, str]:
    (node,) = (one for one in cluster.api.items(Node) if one.metadata.name == NODE)
    return next((c.status, c.message) for c in node.status.conditions if c.type == "Ready")


@pytest.mark.docker
def test_pods_end_before_the_machine_does_and_critical_ones_last(cluster: Cluster, bus: Bus, manager: Logind) -> None:
    cluster.start_agent(
        dbus_address=bus.address, shutdown_grace_period_s=60.0, shutdown_grace_period_critical_pods_s=30.0
    )
    until(manager.handed_out)
    what, who, why, mode = next(call.body for call in manager.calls if call.member == "Inhibit")
    assert (what, mode) == ("shutdown", "delay")
    assert who
    assert why
    manager.close_own()
    folder = cluster.directory / "order"
    folder.mkdir(parents=True)
    mount = {"name": "order", "mountPath": "/order"}
    volumes = [{"name": "order", "hostPath": {"path": str(folder)}}]
    for name, last, more in (("plain", "sleep 1; ", {}), ("core", "", {"priority": 2_000_000_000})):
        command = f"trap '{last}echo {name} >> /order/ended; exit 0' TERM; sleep 1000 & wait"
        container = cluster.container("main", command, volumeMounts=[mount])
        cluster.create(name, containers=[container], volumes=volumes, terminationGracePeriodSeconds=20, **more)
    cluster.create("stubborn", "trap '' TERM; sleep 1000", terminationGracePeriodSeconds=2)
    for name in ("plain", "core", "stubborn"):
        cluster.wait_pod(name, ready)
    assert manager.held()
    manager.say(True)
    until(lambda: _node_ready(cluster) == ("False", "node is shutting down"))
    late = cluster.create("late", "exec sleep 1000")
    for name in ("plain", "core", "stubborn"):
        pod = cluster.wait_pod(name, phase("Failed"), timeout_s=60)
        told = "Pod was terminated in response to imminent node shutdown."
        assert (pod.status.reason, pod.status.message) == ("Terminated", told)
        assert any(c.type == "DisruptionTarget" and c.reason == "TerminationByKubelet" for c in pod.status.conditions)
    until(lambda: not manager.held())
    assert (folder / "ended").read_text().split() == ["plain", "core"]
    pod = cluster.wait_pod(late.metadata.name, phase("Failed"), timeout_s=60)
    assert (pod.status.reason, pod.status.container_statuses) == ("NodeShutdown", [])
    # Called off: the lock is taken again, and pods may come.
    manager.grant()
    manager.say(False)
    until(lambda: _node_ready(cluster)[0] == "True")
    cluster.create("after", "exec sleep 1000")
    cluster.wait_pod("after", ready)


@pytest.mark.docker
def test_nobody_else_may_cry_shutdown(
    cluster: Cluster, bus: Bus, manager: Logind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cluster.start_agent(dbus_address=bus.address, shutdown_grace_period_s=30.0)
    until(manager.handed_out)
    manager.close_own()
    cluster.create("web", "exec sleep 1000")
    cluster.wait_pod("web", ready)
    stranger = Service(bus, "org.example.stranger")
    try:
        stranger.signal(_LOGIND, "PrepareForShutdown", "b", (True,))
        until(lambda: "is not believed" in caplog.text)
    finally:
        stranger.stop()
    manager.say(False)  # when this is heard, the stranger's word has had its effect
    until(lambda: "the shutdown of the machine is called off" in caplog.text)
    assert "the machine shuts down" not in caplog.text
    assert ready(cluster.wait_pod("web", ready))
    assert manager.held()


@pytest.mark.docker
def test_a_machine_without_a_login_manager_is_none_the_worse(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.start_agent(dbus_address=f"unix:path={cluster.directory}/none", shutdown_grace_period_s=30.0)
    until(lambda: "a shutdown of the machine will not wait for pods" in caplog.text)
    pod: Pod = cluster.create("web", "exec sleep 1000")
    assert ready(cluster.wait_pod(pod.metadata.name, ready))


def test_critical_pods_cannot_have_more_than_all() -> None:
    told = Config(shutdown_grace_period_s=10, shutdown_grace_period_critical_pods_s=20).check()
    assert any("shutdown_grace_period_critical_pods_s" in problem for problem in told)
    assert Config().check() == []
