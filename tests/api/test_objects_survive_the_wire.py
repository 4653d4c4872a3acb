"""Encoding and decoding: round trips, golden bytes, nulls, hostile input."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import convert, decode, encode, plain
from api.core import Container, Node, Pod, Secret, Service
from api.defaulting import apply
from api.meta import Object
from api.resources import RESOURCES, Resource

NAMES = st.text("abc-.", min_size=1, max_size=8)
LABELS = st.dictionaries(NAMES, NAMES, max_size=3)
AMOUNTS = st.dictionaries(st.sampled_from(["cpu", "memory", "pods"]), st.integers(0, 10**6).map(lambda n: f"{n}m"))
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({}, optional={"name": NAMES, "labels": LABELS}),
        "spec": st.fixed_dictionaries(
            {
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {"name": NAMES},
                        optional={
                            "image": NAMES,
                            "env": st.lists(st.fixed_dictionaries({"name": NAMES, "value": st.text(max_size=5)})),
                            "resources": st.fixed_dictionaries({"limits": AMOUNTS}),
                            "ports": st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 65535)})),
                        },
                    ),
                    max_size=3,
                )
            },
            optional={
                "hostNetwork": st.booleans(),
                "terminationGracePeriodSeconds": st.integers(0, 2**63 - 1),
                "nodeSelector": LABELS,
            },
        ),
    }
)


@given(PODS)
def test_a_pod_survives_the_wire(document: dict[str, Any]) -> None:
    pod = convert(document, Pod)
    assert decode(encode(pod), Pod) == pod
    apply(pod)
    assert decode(encode(pod), Pod) == pod


@given(st.dictionaries(NAMES, st.binary(max_size=40)))
def test_a_secret_survives_the_wire(data: dict[str, bytes]) -> None:
    secret = Secret(data=data)
    assert decode(encode(secret), Secret).data == data


@given(st.one_of(st.integers(-(2**31), 2**31 - 1), st.text(max_size=10)))
def test_a_port_is_a_number_or_a_name(port: int | str) -> None:
    service = convert({"spec": {"ports": [{"port": 1, "targetPort": port}]}}, Service)
    assert service.spec.ports[0].target_port == port
    assert decode(encode(service), Service) == service


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
def test_an_empty_object_of_every_kind_survives_the_wire(resource: Resource) -> None:
    item = resource.type()
    assert decode(encode(item), resource.type) == item
    apply(item)
    again: Object = decode(encode(item), resource.type)
    assert again == item
    apply(again)
    assert again == item, "defaulting twice changes nothing"


def test_the_type_comes_first_and_absent_fields_are_left_out() -> None:
    pod = convert({"kind": "Pod", "metadata": {"name": "a"}, "apiVersion": "v1", "spec": {"hostNetwork": False}}, Pod)
    assert encode(pod) == b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{},"status":{}}'


def test_some_zero_values_are_always_written() -> None:
    pod = convert({"status": {"containerStatuses": [{"name": "a", "state": {"terminated": {}}}]}}, Pod)
    assert plain(pod)["status"]["containerStatuses"] == [
        {
            "name": "a",
            "state": {"terminated": {"exitCode": 0}},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": "",
            "imageID": "",
        }
    ]


def test_the_daemon_port_has_its_odd_name() -> None:
    node = convert({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}, Node)
    assert b'{"kubeletEndpoint":{"Port":10250}}' in encode(node)


def test_null_is_absent_in_a_field_and_zero_in_a_list_or_map() -> None:
    document = b"""{"metadata":{"name":"a","labels":null,"creationTimestamp":null,"finalizers":[null,"a/b"]},
        "spec":{"containers":[null,{"name":"c","env":null,"args":[null],
        "resources":{"limits":null,"requests":{"cpu":null}}}],
        "hostNetwork":null,"nodeSelector":{"a":null},"unknown":[null]},"status":null}"""
    pod = decode(document, Pod)
    assert pod.metadata.labels == {}
    assert pod.metadata.finalizers == ["", "a/b"]
    assert pod.spec.node_selector == {"a": ""}
    empty, container = pod.spec.containers
    assert empty == Container()
    assert (container.env, container.args) == ([], [""])
    assert container.resources is not None
    assert container.resources.requests == {"cpu": "0"}


def test_nothing_but_null_is_an_empty_object() -> None:
    assert decode(b"null", Pod) == Pod()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (b'{"spec":{"containers":{}}}', "$.spec.containers"),
        (b'{"spec":{"containers":[{"name":1}]}}', "$.spec.containers[0].name"),
        (b'{"spec":{"hostNetwork":"yes"}}', "$.spec.hostNetwork"),
        (b'{"spec":{"priority":2147483648}}', "$.spec.priority"),
        (b'{"spec":{"overhead":{"cpu":"one"}}}', "$.spec.overhead[...]"),
        (b'{"spec":{"overhead":{"cpu":true}}}', "$.spec.overhead[...]"),
        (b'{"spec":{"hostNetwork":"yes","volumes":null}}', "$.spec.hostNetwork"),
    ],
)
def test_a_wrong_type_is_refused_with_its_path(document: bytes, path: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(document, Pod)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"{",
        b"[",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"metadata":' * 100_000,
        b'{"metadata":{"labels":null,"managedFields":[{"fieldsV1":' + b'{"a":' * 9000 + b"1" + b"}" * 9000 + b"}]}}",
        b"[]",
        b'"pod"',
    ],
)
def test_hostile_bytes_are_a_decode_error(hostile: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(hostile, Pod)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_decode_error(data: bytes) -> None:
    try:
        decode(data, Pod)
    except msgspec.DecodeError:
        return
