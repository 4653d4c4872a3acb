"""What is wanted is kept current from what changed, and is the same as if all were read."""

from __future__ import annotations

from api.core import Service
from api.core.service import ServicePort as ApiPort
from api.core.service import ServiceSpec
from api.discovery import Endpoint, EndpointSlice, SlicePort
from api.meta import ObjectMeta
from netproxy.endpoints import Here
from netproxy.following import Following
from netproxy.sources import Key
from netproxy.translate import Objects, translate


class Source:
    """Objects in memory; says which services changed, as tests tell it, and remembers what was read."""

    def __init__(self) -> None:
        self.services: dict[Key, Service] = {}
        self.slices: dict[Key, EndpointSlice] = {}
        self.here = Here(node="n1")
        self.marked: set[Key] | None = None
        self.reads: list[set[Key] | None] = []

    def put(self, name: str, *addresses: str) -> None:
        """A service with a slice."""
        meta = ObjectMeta(namespace="default", name=name)
        port = ApiPort(name="http", port=80)
        self.services["default", name] = Service(
            metadata=meta, spec=ServiceSpec(cluster_ip=f"10.99.0.{len(self.services) + 1}", ports=[port])
        )
        self.slices["default", name] = EndpointSlice(
            metadata=ObjectMeta(namespace="default", name=f"{name}-1", labels={"kubernetes.io/service-name": name}),
            address_type="IPv4",
            ports=[SlicePort(name="http", port=8080, protocol="TCP")],
            endpoints=[Endpoint(addresses=[address]) for address in addresses],
        )
        self.mark(name)

    def drop(self, name: str) -> None:
        """Take a service away."""
        del self.services["default", name], self.slices["default", name]
        self.mark(name)

    def mark(self, name: str) -> None:
        """Say that it changed."""
        if self.marked is not None:
            self.marked.add(("default", name))

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def synced(self) -> bool:
        return True

    def changed(self) -> set[Key] | None:
        marked, self.marked = self.marked, set()
        return marked

    def read(self, only: set[Key] | None = None) -> Objects:
        self.reads.append(only)
        keys = list(self.services) if only is None else [key for key in only if key in self.services]
        return Objects(
            services=[self.services[key] for key in keys], slices=[self.slices[key] for key in keys], here=self.here
        )

    def service(self, namespace: str, name: str) -> Service | None:
        return self.services.get((namespace, name))


def test_only_what_changed_is_read_and_the_result_is_the_same_as_of_all() -> None:
    source = Source()
    following = Following(source)
    for name in ("a", "b", "c"):
        source.put(name, "10.244.0.1")
    assert following.desired() == translate(source.read())
    source.reads.clear()
    source.put("b", "10.244.0.2", "10.244.0.3")
    source.drop("c")
    source.put("d", "10.244.0.4")
    wanted = following.desired()
    assert source.reads == [{("default", "b"), ("default", "c"), ("default", "d")}]
    assert wanted == translate(source.read())
    assert following.desired() == wanted
    assert source.reads[-1] == set()


def test_a_service_that_did_not_change_stays_the_very_value_it_was() -> None:
    source = Source()
    following = Following(source)
    source.put("a", "10.244.0.1")
    source.put("b", "10.244.0.1")
    before = following.desired().ports
    source.put("b", "10.244.0.2")
    after = following.desired().ports
    same = [name for name in before if before[name] is after[name]]
    assert [name.service for name in same] == ["a"]


def test_when_the_node_changes_all_is_read_again() -> None:
    source = Source()
    following = Following(source)
    source.put("a", "10.244.0.1")
    following.desired()
    source.here = Here(node="n1", pod_cidrs=("10.244.0.0/24",))
    assert following.desired().pod_cidrs == ("10.244.0.0/24",)
    assert source.reads[-1] is None
