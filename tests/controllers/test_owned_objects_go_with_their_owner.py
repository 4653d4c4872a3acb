"""The garbage collector and the namespace controller beside a real API server."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from api.apps import Deployment, DeploymentSpec, ReplicaSet
from api.core import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    ObjectReference,
    Pod,
    ReplicationController,
    Secret,
    Service,
    ServiceAccount,
)
from api.errors import NotFound
from api.meta import LabelSelector, Object, ObjectMeta, OwnerReference
from api.scheduling import PriorityClass
from client import Client
from master.controllers.ownership import reference
from tests.controllers.conftest import Start
from tests.controllers.made import controller, node, pod, service
from tests.e2e.waiting import until


@pytest.fixture(autouse=True)
def running(controllers: Start) -> None:
    controllers()


def exists(admin: Client, kind: type[Object], name: str, namespace: str = "") -> bool:
    try:
        admin.get(kind, name, namespace)
    except NotFound:
        return False
    return True


def pods(admin: Client, namespace: str) -> list[Pod]:
    return admin.list(Pod, namespace).items


def owned(name: str, namespace: str, *owners: Object) -> Pod:
    item = pod(name, labels={})
    item.metadata.namespace = namespace
    item.metadata.owner_references = [
        OwnerReference(api_version="v1", kind=type(owner).__name__, name=owner.metadata.name, uid=owner.metadata.uid)
        for owner in owners
    ]
    return item


def three(admin: Client, namespace: str) -> ReplicationController:
    made: ReplicationController = admin.create(controller(namespace=namespace, replicas=3))
    until(lambda: len(pods(admin, namespace)) == 3)
    return made


def test_in_the_background_dependents_follow(admin: Client, namespace: str) -> None:
    three(admin, namespace)
    admin.delete(ReplicationController, "web", namespace, propagation="Background")
    assert not exists(admin, ReplicationController, "web", namespace)
    until(lambda: not pods(admin, namespace))


def test_in_the_foreground_dependents_go_first(admin: Client, namespace: str) -> None:
    three(admin, namespace)
    held = pods(admin, namespace)[0].metadata.name
    admin.patch(Pod, held, namespace, {"metadata": {"finalizers": ["test/hold"]}})
    admin.delete(ReplicationController, "web", namespace, propagation="Foreground")
    until(lambda: [one.metadata.name for one in pods(admin, namespace)] == [held])
    assert exists(admin, ReplicationController, "web", namespace), "it waits for the last one"
    admin.patch(Pod, held, namespace, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test/hold"]}})
    until(lambda: not exists(admin, ReplicationController, "web", namespace))
    assert pods(admin, namespace) == []


def test_orphans_stay_and_belong_to_nobody(admin: Client, namespace: str) -> None:
    three(admin, namespace)
    before = {one.metadata.uid for one in pods(admin, namespace)}
    admin.delete(ReplicationController, "web", namespace, propagation="Orphan")
    until(lambda: not exists(admin, ReplicationController, "web", namespace))
    until(lambda: all(one.metadata.owner_references == [] for one in pods(admin, namespace)))
    # A later owner is collected after all that the orphans' one may have stirred up.
    admin.create(controller("other", namespace=namespace, replicas=1))
    until(lambda: len(pods(admin, namespace)) == 4)
    admin.delete(ReplicationController, "other", namespace, propagation="Background")
    # Its manager may not know yet that it has gone, and make one more pod that is collected too.
    until(lambda: {one.metadata.uid for one in pods(admin, namespace)} == before)


def test_who_says_nothing_leaves_the_pods_of_a_replication_controller(admin: Client, namespace: str) -> None:
    """As in Kubernetes, where v1 is older than the policies; a replica set's pods go."""
    three(admin, namespace)
    admin.delete(ReplicationController, "web", namespace)
    until(lambda: not exists(admin, ReplicationController, "web", namespace))
    until(lambda: all(one.metadata.owner_references == [] for one in pods(admin, namespace)))
    assert len(pods(admin, namespace)) == 3


def test_orphans_can_be_adopted_again(admin: Client, namespace: str) -> None:
    three(admin, namespace)
    before = {one.metadata.uid for one in pods(admin, namespace)}
    admin.delete(ReplicationController, "web", namespace, propagation="Orphan")
    until(lambda: not exists(admin, ReplicationController, "web", namespace))
    second = admin.create(controller(namespace=namespace, replicas=3))

    def adopted() -> bool:
        return all([owner.uid for owner in one.metadata.owner_references] == [second.metadata.uid] for one in found())

    def found() -> list[Pod]:
        return pods(admin, namespace)

    until(adopted)
    assert {one.metadata.uid for one in found()} == before


def test_a_dependent_stays_while_one_owner_does(admin: Client, namespace: str) -> None:
    one, two = (admin.create(controller(name, namespace=namespace, replicas=0)) for name in ("one", "two"))
    admin.create(owned("shared", namespace, one, two))
    admin.delete(ReplicationController, "one", namespace, propagation="Background")

    def owners() -> list[str]:
        return [owner.name for owner in admin.get(Pod, "shared", namespace).metadata.owner_references]

    until(lambda: owners() == ["two"])
    admin.delete(ReplicationController, "two", namespace, propagation="Background")
    until(lambda: not exists(admin, Pod, "shared", namespace))


def test_an_owner_that_never_was_is_gone(admin: Client, namespace: str) -> None:
    ghost = controller("ghost", namespace=namespace)
    ghost.metadata.uid = "00000000-0000-0000-0000-000000000000"
    admin.create(owned("child", namespace, ghost))
    until(lambda: not exists(admin, Pod, "child", namespace))


def test_a_wrong_name_of_an_owner_costs_only_whoever_wrote_it(admin: Client, namespace: str) -> None:
    real = admin.create(ConfigMap(metadata=ObjectMeta(name="real", namespace=namespace)))
    wrong = ConfigMap(metadata=ObjectMeta(name="wrong", namespace=namespace, uid=real.metadata.uid))
    admin.create(owned("right", namespace, real))
    admin.create(owned("mistaken", namespace, wrong))
    until(lambda: not exists(admin, Pod, "mistaken", namespace))
    assert exists(admin, Pod, "right", namespace)


def test_an_owner_of_a_kind_that_is_not_served_is_left_alone(admin: Client, namespace: str) -> None:
    child = owned("child", namespace)
    child.metadata.owner_references = [
        OwnerReference(api_version="batch.example/v1", kind="Job", name="j", uid="11111111-0000-0000-0000-000000000000")
    ]
    admin.create(child)
    ghost = controller("ghost", namespace=namespace)
    ghost.metadata.uid = "22222222-0000-0000-0000-000000000000"
    admin.create(owned("after", namespace, ghost))
    until(lambda: not exists(admin, Pod, "after", namespace))
    assert exists(admin, Pod, "child", namespace)


def config(name: str, namespace: str, *owners: Object) -> ConfigMap:
    made = ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data={"k": "v"})
    made.metadata.owner_references = [reference(owner, controller=False) for owner in owners]
    return made


def test_kinds_of_which_only_the_metadata_is_followed_are_collected_too(admin: Client, namespace: str) -> None:
    owner = admin.create(Secret(metadata=ObjectMeta(name="owner", namespace=namespace)))
    middle = admin.create(config("middle", namespace, owner))
    admin.create(config("end", namespace, middle))
    admin.create(config("free", namespace))
    admin.delete(Secret, "owner", namespace)
    until(lambda: not exists(admin, ConfigMap, "end", namespace))
    assert not exists(admin, ConfigMap, "middle", namespace)
    assert admin.get(ConfigMap, "free", namespace).data == {"k": "v"}


def test_an_owner_of_another_namespace_is_none(admin: Client, namespace: str) -> None:
    admin.create(Namespace(metadata=ObjectMeta(name=f"{namespace}-other")))
    owner = admin.create(config("owner", f"{namespace}-other"))
    admin.create(config("stranger", namespace, owner))
    until(lambda: not exists(admin, ConfigMap, "stranger", namespace))
    until(lambda: "OwnerRefInvalidNamespace" in {one.reason for one in admin.list(Event, namespace).items})
    assert exists(admin, ConfigMap, "owner", f"{namespace}-other")


def test_what_belongs_to_no_namespace_is_not_collected_for_an_owner_in_one(admin: Client, namespace: str) -> None:
    owner = admin.create(config("owner", namespace))
    wide = PriorityClass(metadata=ObjectMeta(name=f"{namespace}-wide", owner_references=[reference(owner)]), value=1)
    admin.create(wide)
    admin.create(config("after", namespace, owner))
    admin.delete(ConfigMap, "owner", namespace)
    until(lambda: not exists(admin, ConfigMap, "after", namespace))
    assert exists(admin, PriorityClass, f"{namespace}-wide")


def test_in_the_foreground_only_those_hold_their_owner_up_that_say_so(admin: Client, namespace: str) -> None:
    owner = admin.create(ConfigMap(metadata=ObjectMeta(name="owner", namespace=namespace)))
    for name, blocks in (("patient", False), ("blocking", True)):
        dependent = owned(name, namespace, owner)
        dependent.metadata.owner_references[0].block_owner_deletion = blocks
        dependent.metadata.finalizers = ["test/hold"]
        admin.create(dependent)
    admin.delete(ConfigMap, "owner", namespace, propagation="Foreground")
    until(lambda: all(one.metadata.deletion_timestamp for one in pods(admin, namespace)))
    assert exists(admin, ConfigMap, "owner", namespace)
    free = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test/hold"]}}
    admin.patch(Pod, "blocking", namespace, free)
    until(lambda: not exists(admin, ConfigMap, "owner", namespace))
    assert exists(admin, Pod, "patient", namespace)
    admin.patch(Pod, "patient", namespace, free)
    until(lambda: not exists(admin, Pod, "patient", namespace))


def test_in_the_foreground_a_deployment_waits_for_its_last_pod(admin: Client, namespace: str) -> None:
    template = controller("web").spec.template
    spec = DeploymentSpec(replicas=2, selector=LabelSelector(match_labels={"app": "web"}), template=template)
    admin.create(Deployment(metadata=ObjectMeta(name="web", namespace=namespace), spec=spec))
    until(lambda: len(pods(admin, namespace)) == 2)
    held = pods(admin, namespace)[0].metadata.name
    admin.patch(Pod, held, namespace, {"metadata": {"finalizers": ["test/hold"]}})
    admin.delete(Deployment, "web", namespace, propagation="Foreground")
    until(lambda: [one.metadata.name for one in pods(admin, namespace)] == [held])
    assert exists(admin, Deployment, "web", namespace)
    assert len(admin.list(ReplicaSet, namespace).items) == 1, "it waits too"
    admin.patch(Pod, held, namespace, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test/hold"]}})
    until(lambda: not exists(admin, Deployment, "web", namespace))
    assert admin.list(ReplicaSet, namespace).items == []


def test_in_the_foreground_what_has_another_owner_stays_with_that_one(admin: Client, namespace: str) -> None:
    """It is no more waited for either."""
    one, two = (admin.create(config(name, namespace)) for name in ("one", "two"))
    admin.create(config("shared", namespace, one, two))
    admin.create(config("own", namespace, one))
    admin.delete(ConfigMap, "one", namespace, propagation="Foreground")
    until(lambda: not exists(admin, ConfigMap, "one", namespace))
    assert not exists(admin, ConfigMap, "own", namespace)
    shared = admin.get(ConfigMap, "shared", namespace).metadata
    assert ([owner.name for owner in shared.owner_references], shared.deletion_timestamp) == (["two"], None)
    admin.delete(ConfigMap, "two", namespace, propagation="Foreground")
    until(lambda: not exists(admin, ConfigMap, "two", namespace))
    assert not exists(admin, ConfigMap, "shared", namespace)


def test_in_the_foreground_objects_that_own_each_other_go(admin: Client, namespace: str) -> None:
    first = admin.create(config("first", namespace))
    second = admin.create(config("second", namespace, first))
    owners = {"metadata": {"ownerReferences": [reference(second, controller=False)]}}
    admin.patch(ConfigMap, "first", namespace, owners)
    admin.delete(ConfigMap, "first", namespace, propagation="Foreground")
    until(
        lambda: not exists(admin, ConfigMap, "first", namespace) and not exists(admin, ConfigMap, "second", namespace)
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda owner: {"$patch": "delete", "uid": owner.metadata.uid}, id="disowned"),
        pytest.param(lambda owner: {"uid": owner.metadata.uid, "blockOwnerDeletion": False}, id="not waited for"),
    ],
)
def test_in_the_foreground_an_owner_goes_when_its_last_dependent_is_let_off(
    admin: Client, namespace: str, change: Callable[[Object], dict[str, Any]]
) -> None:
    owner = admin.create(config("owner", namespace))
    held = config("held", namespace, owner)
    held.metadata.finalizers = ["test/hold"]
    admin.create(held)
    admin.delete(ConfigMap, "owner", namespace, propagation="Foreground")
    until(lambda: admin.get(ConfigMap, "held", namespace).metadata.deletion_timestamp)
    assert exists(admin, ConfigMap, "owner", namespace)
    admin.patch(ConfigMap, "held", namespace, {"metadata": {"ownerReferences": [change(owner)]}})
    until(lambda: not exists(admin, ConfigMap, "owner", namespace))
    assert exists(admin, ConfigMap, "held", namespace)


def test_a_dependent_that_is_to_orphan_its_own_does_so_when_it_is_collected(admin: Client, namespace: str) -> None:
    owner = admin.create(config("owner", namespace))
    middle = config("middle", namespace, owner)
    middle.metadata.finalizers = ["orphan"]
    made = admin.create(middle)
    admin.create(config("end", namespace, made))
    admin.delete(ConfigMap, "owner", namespace, propagation="Background")
    until(lambda: not exists(admin, ConfigMap, "middle", namespace))
    assert admin.get(ConfigMap, "end", namespace).metadata.owner_references == []


def test_a_services_endpoints_go_with_it(admin: Client, namespace: str) -> None:
    admin.create(service(namespace=namespace))
    until(lambda: exists(admin, Endpoints, "web", namespace))
    admin.delete(Service, "web", namespace)
    until(lambda: not exists(admin, Endpoints, "web", namespace))


def test_pods_of_a_node_that_is_gone_are_removed(admin: Client, namespace: str) -> None:
    admin.create(node("leaving"))
    stuck = owned("stuck", namespace)
    admin.create(stuck)
    admin.bind("stuck", namespace, "leaving")
    until(lambda: admin.get(Pod, "stuck", namespace).spec.node_name == "leaving")
    admin.delete(Node, "leaving")
    until(lambda: not exists(admin, Pod, "stuck", namespace))


def test_a_namespace_is_emptied_and_goes(admin: Client, namespace: str) -> None:
    three(admin, namespace)
    admin.create(service(namespace=namespace))
    admin.create(ConfigMap(metadata=ObjectMeta(name="c", namespace=namespace)))
    admin.create(Secret(metadata=ObjectMeta(name="s", namespace=namespace)))
    admin.delete(Namespace, namespace)
    until(lambda: not exists(admin, Namespace, namespace))
    for kind in (Pod, ReplicationController, Service, Endpoints, ConfigMap, Secret, ServiceAccount):
        assert admin.list(kind, namespace).items == []


def test_a_namespace_waits_for_what_does_not_go_yet(admin: Client, namespace: str) -> None:
    admin.create(ConfigMap(metadata=ObjectMeta(name="held", namespace=namespace, finalizers=["test/hold"])))
    admin.create(ConfigMap(metadata=ObjectMeta(name="free", namespace=namespace)))
    admin.delete(Namespace, namespace)
    until(lambda: not exists(admin, ConfigMap, "free", namespace))
    assert admin.get(Namespace, namespace).status.phase == "Terminating"
    until(lambda: "NamespaceFinalizersRemaining" in held_by(admin, namespace))
    assert held_by(admin, namespace) == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "test/hold in 1 resource instances",
    }
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test/hold"]}}
    admin.patch(ConfigMap, "held", namespace, patch)
    until(lambda: not exists(admin, Namespace, namespace))


def test_a_namespace_goes_with_its_last_object(admin: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.controllers.namespaces._LOOK_AGAIN_S", 3600.0)
    for name, kind in (("held", ConfigMap), ("too", Secret)):
        admin.create(kind(metadata=ObjectMeta(name=name, namespace=namespace, finalizers=["test/hold"])))
    admin.delete(Namespace, namespace)
    until(lambda: "NamespaceFinalizersRemaining" in held_by(admin, namespace))
    until(lambda: looks_no_more(admin))
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["test/hold"]}}
    admin.patch(ConfigMap, "held", namespace, patch)
    admin.patch(Secret, "too", namespace, patch)
    until(lambda: not exists(admin, Namespace, namespace))


def calls(admin: Client, verb: str) -> int:
    """How often events were asked for in this way."""
    text = admin.transport.request("GET", "/metrics", accept="*/*").decode()
    lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
    wanted = [line for line in lines if f'verb="{verb}"' in line and 'resource="events"' in line]
    return sum(int(line.rsplit(" ", 1)[1]) for line in wanted)


def looks_no_more(admin: Client) -> bool:
    """Each look at a namespace lists the events in it."""
    before = calls(admin, "LIST")
    time.sleep(0.5)
    return calls(admin, "LIST") == before


def held_by(admin: Client, namespace: str) -> dict[str, str]:
    conditions = admin.get(Namespace, namespace).status.conditions
    return {one.type: one.message for one in conditions if one.status == "True"}


def test_a_namespace_is_emptied_with_one_call_for_each_kind(admin: Client, namespace: str) -> None:
    for number in range(40):
        involved = ObjectReference(kind="Pod", name="p", namespace=namespace)
        meta = ObjectMeta(name=f"e{number}", namespace=namespace)
        admin.create(Event(metadata=meta, involved_object=involved, reason="Test", type="Normal"))

    before = calls(admin, "DELETE"), calls(admin, "DELETECOLLECTION")
    admin.delete(Namespace, namespace)
    until(lambda: not exists(admin, Namespace, namespace))
    assert calls(admin, "DELETE") == before[0]
    assert 1 <= calls(admin, "DELETECOLLECTION") - before[1] <= 3


def test_every_namespace_has_a_default_account(admin: Client, namespace: str) -> None:
    until(lambda: exists(admin, ServiceAccount, "default", namespace))
    first = admin.get(ServiceAccount, "default", namespace).metadata.uid
    admin.delete(ServiceAccount, "default", namespace)
    until(lambda: exists(admin, ServiceAccount, "default", namespace))
    assert admin.get(ServiceAccount, "default", namespace).metadata.uid != first
    assert exists(admin, ServiceAccount, "default", "default")
