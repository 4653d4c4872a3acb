"""Extenders: real HTTP servers that filter, rate, make room and bind, beside a real scheduler and API server."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.core import Pod
from api.errors import NotFound
from api.meta import ObjectMeta
from api.scheduling import PriorityClass
from client import Client
from master.scheduler.configuration import ConfigurationError, parse
from tests.controllers.live import Master
from tests.e2e.waiting import until
from tests.scheduler.extender import Answer, Extender, names
from tests.scheduler.made import node, pod
from tests.scheduler.running import empty, join, node_of, reasons, scheduler, why

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


@pytest.fixture
def serve() -> Iterator[Callable[..., Extender]]:
    made: list[Extender] = []

    def start(trust: ssl.SSLContext | None = None, **verbs: Answer) -> Extender:
        made.append(Extender(trust, **verbs))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture(autouse=True)
def emptied(admin: Client) -> Iterator[None]:
    yield
    empty(admin)


def configured(tmp_path: Path, *extenders: dict[str, Any]) -> Path:
    file = tmp_path / "scheduler.yaml"
    file.write_text(json.dumps({**HEAD, "extenders": list(extenders)}))
    return file


def only(*wanted: str) -> Answer:
    """A filter as written with Go's types; it gives back what it got."""

    def answer(body: dict[str, Any]) -> Any:
        failed = {name: "the extender says no" for name in names(body) if name not in wanted}
        if "Nodes" in body:
            items = [one for one in body["Nodes"]["items"] if one["metadata"]["name"] in wanted]
            return {"Nodes": {"items": items}, "NodeNames": None, "FailedNodes": failed, "Error": ""}
        return {"Nodes": None, "NodeNames": [one for one in names(body) if one in wanted], "FailedNodes": failed}

    return answer


def likes(wanted: str) -> Answer:
    return lambda body: [{"Host": name, "Score": 10 if name == wanted else 0} for name in names(body)]


@pytest.mark.parametrize("capable", [False, True])
def test_nodes_are_left_out_and_rated(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender], capable: bool
) -> None:
    extender = serve(filter=only("n2", "n3"), prioritize=likes("n3"))
    verbs = {"filterVerb": "filter", "prioritizeVerb": "prioritize", "weight": 5}
    part = {"urlPrefix": extender.address, "nodeCacheCapable": capable, "httpTimeout": "20s", **verbs}
    for name in ("n1", "n2", "n3"):
        join(admin, node(name, labels={"color": "blue"}))
    made = pod("a")
    made.metadata.annotations = {"example.com/wants": "much"}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(made)
        until(lambda: node_of(admin, "a") == "n3")
    [body] = extender.asked["filter"]
    assert sorted(names(body)) == ["n1", "n2", "n3"]
    # The whole pod, and whole nodes: also what the scheduler itself does not read.
    assert body["Pod"]["metadata"]["annotations"] == {"example.com/wants": "much"}
    assert capable or all(one["metadata"]["labels"]["color"] == "blue" for one in body["Nodes"]["items"])
    assert sorted(names(extender.asked["prioritize"][0])) == ["n2", "n3"]


def test_a_pod_that_extenders_let_nowhere_says_why(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    extender = serve(filter=only())
    join(admin, node("n1"))
    with scheduler(master, configuration=configured(tmp_path, {"urlPrefix": extender.address, "filterVerb": "filter"})):
        admin.create(pod("a"))
        until(lambda: why(admin, "a").startswith("0/1 nodes are available: 1 the extender says no."))
        until(lambda: "FailedScheduling" in reasons(admin, "a"))


def test_it_is_asked_about_a_sample_of_the_nodes(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    """As many as Kubernetes' numFeasibleNodesToFind says, beginning where the last look ended; and none of them is
    available when it leaves out these."""
    extender = serve(filter=only())
    for number in range(110):
        join(admin, node(f"n{number}"))
    part = {"urlPrefix": extender.address, "filterVerb": "filter", "nodeCacheCapable": True}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(pod("a"))
        until(lambda: why(admin, "a").startswith("0/110 nodes are available: 100 the extender says no."))
        admin.create(pod("b"))
        until(lambda: why(admin, "b"))
    (first, second) = (set(names(body)) for body in extender.asked["filter"][:2])
    assert (len(first), len(second)) == (100, 100)
    assert len(first | second) == 110


def test_what_is_against_the_other_nodes_is_told_too(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    extender = serve(filter=only())
    for name in ("n1", "n2", "n3"):
        join(admin, node(name, room={"cpu": "1"} if name == "n3" else {}))
    admin.create(pod("there", labels={"app": "web"}, nodeName="n1"))
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    far = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    with scheduler(master, configuration=configured(tmp_path, {"urlPrefix": extender.address, "filterVerb": "filter"})):
        admin.create(pod("a", cpu="2", affinity=far))
        said = "1 Insufficient cpu, 1 node(s) didn't match pod anti-affinity rules, 1 the extender says no."
        until(lambda: why(admin, "a").startswith(f"0/3 nodes are available: {said}"))


def test_one_that_is_gone_holds_pods_up_unless_it_may_be_missing(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    gone = serve()
    address = gone.address
    part = {"urlPrefix": address, "filterVerb": "filter", "httpTimeout": "2s"}
    join(admin, node("n1"))
    with scheduler(master, configuration=configured(tmp_path, {**part, "urlPrefix": "http://127.0.0.1:1"})):
        admin.create(pod("a"))
        until(lambda: "extender http://127.0.0.1:1: filter: [Errno 111]" in why(admin, "a"))
        assert node_of(admin, "a") == ""
    ignorable = {**part, "urlPrefix": "http://127.0.0.1:1", "ignorable": True}
    with scheduler(master, configuration=configured(tmp_path, ignorable)):
        until(lambda: node_of(admin, "a") == "n1")


def test_only_pods_that_ask_for_what_it_manages_concern_it(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    extender = serve(filter=only("n2"))
    managed = [{"name": "example.com/gpu", "ignoredByScheduler": True}]
    part = {"urlPrefix": extender.address, "filterVerb": "filter", "managedResources": managed}
    join(admin, node("n1"))
    join(admin, node("n2"))
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(pod("plain"))
        until(lambda: node_of(admin, "plain"))
        assert extender.asked["filter"] == []
        # No node has any of it: that is the extender's to count.
        special = pod("special", gpu="1")
        special.spec.containers[0].resources.limits = special.spec.containers[0].resources.requests
        admin.create(special)
        until(lambda: node_of(admin, "special") == "n2")


def test_it_can_bind(master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]) -> None:
    tries: list[str] = []

    def bind(body: dict[str, Any]) -> Any:
        tries.append(body["PodName"])
        if len(tries) == 1:
            return {"Error": "not now"}
        admin.bind(body["PodName"], body["PodNamespace"], body["Node"], uid=body["PodUID"])
        return {"Error": ""}

    extender = serve(bind=bind)
    join(admin, node("n1"))
    part = {"urlPrefix": extender.address, "bindVerb": "bind"}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(pod("a"))
        until(lambda: node_of(admin, "a") == "n1")
    assert tries == ["a", "a"]


@pytest.mark.parametrize("capable", [False, True])
def test_it_says_where_room_is_made(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender], capable: bool
) -> None:
    field = "NodeNameToMetaVictims" if capable else "NodeNameToVictims"

    def preempt(body: dict[str, Any]) -> Any:
        there = body[field]["n2"]
        uids = [one["UID"] if capable else one["metadata"]["uid"] for one in there["Pods"]]
        return {"NodeNameToMetaVictims": {"n2": {"Pods": [{"UID": uid} for uid in uids], "NumPDBViolations": 0}}}

    extender = serve(preempt=preempt)
    high = _two_full(admin)
    part = {"urlPrefix": extender.address, "preemptVerb": "preempt", "nodeCacheCapable": capable}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(high)
        until(lambda: admin.get(Pod, "high", "default").status.nominated_node_name == "n2")
        until(lambda: _is_going(admin, "low-n2"))
    assert not _is_going(admin, "low-n1")


def test_a_node_without_victims_is_none_to_one_that_may_be_missing(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    """As in Kubernetes; what it says of other nodes counts."""

    def preempt(body: dict[str, Any]) -> Any:
        victims = {"Pods": [{"UID": one["metadata"]["uid"]} for one in body["NodeNameToVictims"]["n2"]["Pods"]]}
        return {"NodeNameToMetaVictims": {"n1": {"Pods": []}, "n2": victims}}

    extender = serve(preempt=preempt)
    high = _two_full(admin)
    part = {"urlPrefix": extender.address, "preemptVerb": "preempt", "ignorable": True}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(high)
        until(lambda: node_of(admin, "high"))
    assert (node_of(admin, "high"), _is_going(admin, "low-n1")) == ("n2", False)


def _two_full(admin: Client) -> Pod:
    """Two full nodes, of which n1 would be chosen, as its pod is less important; and a pod that is more important."""
    for value in (1, 2, 3):
        admin.create(PriorityClass(metadata=ObjectMeta(generate_name=f"p{value}-"), value=value))
    classes = {one.value: one.metadata.name for one in admin.list(PriorityClass).items}
    for value, name in ((1, "n1"), (2, "n2")):
        join(admin, node(name))
        admin.create(_of(pod(f"low-{name}", cpu="4", nodeName=name, terminationGracePeriodSeconds=0), classes[value]))
    return _of(pod("high", cpu="4"), classes[3])


def _full(admin: Client, count: int) -> Pod:
    """A node full of that many pods, each less important than the one before; and a pod that is more important."""
    join(admin, node("n1"))
    values = [*range(11 + count, 11, -1), 20]
    for value in values:
        admin.create(PriorityClass(metadata=ObjectMeta(generate_name=f"v{value}-"), value=value))
    classes = {one.value: one.metadata.name for one in admin.list(PriorityClass).items}
    for number, value in enumerate(values[:-1]):
        low = pod(f"low{number}", cpu=str(4 // count), nodeName="n1", terminationGracePeriodSeconds=0)
        admin.create(_of(low, classes[value]))
    return _of(pod("high", cpu="1"), classes[20])


def names_victims(*uids: str) -> Answer:
    named = {"Pods": [{"UID": uid} for uid in uids], "NumPDBViolations": 0}
    return lambda _: {"NodeNameToMetaVictims": {"n1": named}}


def test_it_can_name_another_pod_of_the_node_to_go(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    high = _full(admin, 2)
    extender = serve(preempt=names_victims(admin.get(Pod, "low0", "default").metadata.uid))
    part = {"urlPrefix": extender.address, "preemptVerb": "preempt"}
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(high)
        until(lambda: node_of(admin, "high") == "n1")
    asked = extender.asked["preempt"][0]["NodeNameToVictims"]["n1"]["Pods"]
    assert [one["metadata"]["name"] for one in asked] == ["low1"]
    assert (_is_going(admin, "low0"), _is_going(admin, "low1")) == (True, False)


@pytest.mark.parametrize(("uids", "said"), [([], "names no victim on node 'n1'"), (["x"], "no pod 'x' is on node")])
def test_victims_that_cannot_be_hold_the_pod_up(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender], uids: list[str], said: str
) -> None:
    extender = serve(preempt=names_victims(*uids))
    part = {"urlPrefix": extender.address, "preemptVerb": "preempt"}
    high = _full(admin, 1)
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(high)
        until(lambda: said in why(admin, "high"))
    assert not _is_going(admin, "low0")


def test_nonsense_of_one_that_may_be_missing_is_passed_over(
    master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]
) -> None:
    extender = serve(preempt=names_victims("x"))
    part = {"urlPrefix": extender.address, "preemptVerb": "preempt", "ignorable": True}
    high = _full(admin, 1)
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(high)
        until(lambda: node_of(admin, "high") == "n1")
    assert extender.asked["preempt"]


def _of(made: Pod, name: str) -> Pod:
    made.spec.priority_class_name = name
    made.spec.priority = None
    return made


def _is_going(admin: Client, name: str) -> bool:
    try:
        return admin.get(Pod, name, "default").metadata.deletion_timestamp is not None
    except NotFound:
        return True


def test_it_is_asked_over_tls(master: Master, admin: Client, tmp_path: Path, serve: Callable[..., Extender]) -> None:
    files = master.certificates.directory / "pki"
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(files / "apiserver.crt", files / "apiserver.key")
    extender = serve(trust, filter=only("n2"))
    tls = {"caFile": str(files / "ca.crt"), "serverName": "kubernetes.default"}
    part = {"urlPrefix": extender.address, "filterVerb": "filter", "enableHTTPS": True, "tlsConfig": tls}
    join(admin, node("n1"))
    join(admin, node("n2"))
    with scheduler(master, configuration=configured(tmp_path, part)):
        admin.create(pod("a"))
        until(lambda: node_of(admin, "a") == "n2")
    stranger = {**part, "tlsConfig": {**tls, "serverName": "example.com"}}
    with scheduler(master, configuration=configured(tmp_path, stranger)):
        admin.create(pod("b"))
        until(lambda: "CERTIFICATE_VERIFY_FAILED" in why(admin, "b"))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"urlPrefix": "x"}, "extenders[0].urlPrefix: 'x' is no address"),
        ({"filterVerb": "f"}, "urlPrefix"),
        ({"urlPrefix": "http://x", "prioritizeVerb": "p"}, "extenders[0].weight: must be greater than 0"),
        ({"urlPrefix": "http://x", "enableHTTPS": True}, "extenders[0].urlPrefix: must begin with https://"),
        ({"urlPrefix": "http://x", "httpTimeout": "soon"}, "extenders[0].httpTimeout: 'soon' is no duration"),
        ({"urlPrefix": "http://x", "verb": "f"}, "unknown field `verb`"),
        ({"urlPrefix": "https://x", "tlsConfig": {"caFile": "/nosuch"}}, "extenders[0].tlsConfig: [Errno 2]"),
    ],
)
def test_what_cannot_be_is_refused(part: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({**HEAD, "extenders": [part]})
    assert said in str(caught.value)


def test_only_one_can_bind() -> None:
    part = {"urlPrefix": "http://x", "bindVerb": "b"}
    with pytest.raises(ConfigurationError, match="only one extender can bind"):
        parse({**HEAD, "extenders": [part, part]})
