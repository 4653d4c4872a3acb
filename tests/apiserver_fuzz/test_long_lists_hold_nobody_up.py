"""What a client sends is judged in one pass, however long its lists are: compared item by item, they would outlast the
limit of any test here, and of all other clients meanwhile."""

from typing import Any

from api import validation
from api.codec import convert
from api.core import Pod, Service
from api.meta import Object
from api.validation.service import _family_errors
from api.validation.status import runs_again
from master.apiserver.service_shapes import keep_numbers

MANY = 600_000
PARTS = 150_000


def made(kind: type[Object], **parts: Any) -> Any:
    return convert({"metadata": {"name": "a", "namespace": "d"}, **parts}, kind)


def pod(**spec: Any) -> Any:
    return made(Pod, spec={"containers": [{"name": "c", "image": "i"}], **spec})


def test_finalizers() -> None:
    old, new = pod(), pod()
    old.metadata.finalizers = [f"a/{number}" for number in range(MANY)]
    new.metadata.finalizers = [f"b/{number}" for number in range(MANY)]
    assert validation.validate_beside_spec(new, old) == []


def test_tolerations_and_gates() -> None:
    keys = [{"key": f"k{number}", "operator": "Exists"} for number in range(PARTS)]
    gates = [{"name": f"a/{number}"} for number in range(PARTS)]
    old = pod(tolerations=keys, schedulingGates=gates)
    new = pod(tolerations=[*reversed(keys), {"operator": "Exists"}], schedulingGates=gates[:0:-1])
    assert [error for error in validation.validate_update(new, old) if error.path == "spec"] == []
    fewer = pod(tolerations=keys[1:], schedulingGates=gates)
    assert [error.path for error in validation.validate_update(fewer, old)] == ["spec"]


def test_families() -> None:
    service = made(Service, spec={"ipFamilies": ["IPv4"] * MANY})
    # One by one: so many errors at once would be a test of the memory.
    assert sum(1 for _ in _family_errors(service)) == MANY - 1


def test_ports() -> None:
    ports = [{"port": number + 1, "protocol": "TCP", "nodePort": number + 1} for number in range(PARTS)]
    old = made(Service, spec={"type": "NodePort", "ports": ports})
    new = made(Service, spec={"type": "ClusterIP", "ports": [{**one, "nodePort": PARTS + 1} for one in ports]})
    keep_numbers(new, old)
    assert {port.node_port for port in new.spec.ports} == {PARTS + 1}


def test_containers_that_have_ended() -> None:
    def told(state: dict[str, Any]) -> Any:
        each = ({"name": f"c{number}", "state": state} for number in range(PARTS))
        return made(Pod, status={"containerStatuses": [*each]})

    old, new = told({"terminated": {"exitCode": 1}}), told({"terminated": {"exitCode": 1}})
    assert not runs_again(new, old)
