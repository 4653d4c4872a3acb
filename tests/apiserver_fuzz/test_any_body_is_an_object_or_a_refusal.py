"""Bodies in JSON and protobuf: every declared field set to what it must not be, random documents, bent bytes."""

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import defaulting, protobuf, validation
from api.codec import encode
from api.errors import BadRequest, Invalid
from api.resources import Resource
from master.apiserver.bodies import Expected, typed
from tests.apiserver_fuzz.documents import KINDS, ODD, VALUES, base, collection, field_paths, with_value
from tests.apiserver_fuzz.live import Client

FUZZ = settings(settings.get_profile("fuzz"), max_examples=60)
ids = [resource.qualified for resource in KINDS]
ON_THE_WIRE = 150
PROTOBUF = protobuf.CONTENT_TYPE


def _accepted(document: Any, resource: Resource) -> bool:
    """Decoded, completed and judged as a create does it; only refusals of the API may be raised."""
    expected = Expected(resource.type, resource.api_version, resource.kind)
    try:
        item, _ = typed(json.dumps(document).encode(), expected, resource.type, validation="Strict")
        defaulting.apply(item)
        errors = validation.validate_create(item)
    except (BadRequest, Invalid):
        return False
    encode(item)
    return not errors


@pytest.mark.parametrize("resource", KINDS, ids=ids)
def test_every_field_takes_its_value_or_says_what_is_wrong(resource: Resource) -> None:
    odd, fields = random.Random(resource.qualified), field_paths(resource)
    for path in fields:
        for value in ODD if len(fields) < 200 else odd.sample(ODD, 12):
            _accepted(with_value(base(resource), path, value), resource)


@pytest.mark.parametrize("resource", KINDS, ids=ids)
def test_every_field_is_judged_on_the_wire(client: Client, resource: Resource) -> None:
    """One odd value for each field that is chosen."""
    odd = random.Random(resource.qualified)
    path = collection(resource)
    fields_of_kind = field_paths(resource)
    for fields in odd.sample(fields_of_kind, min(len(fields_of_kind), ON_THE_WIRE)):
        body = with_value(base(resource), fields, odd.choice(ODD))
        client.post(f"{path}?dryRun=All", body)


@pytest.mark.parametrize("resource", KINDS, ids=ids)
def test_an_update_is_judged_as_a_create_is(client: Client, resource: Resource) -> None:
    odd = random.Random(resource.qualified)
    path = collection(resource)
    there = f"there-{resource.version}"  # two versions of a kind share their objects
    made = client.post(path, base(resource, there))
    assert made.status in (201, 422), made.data
    fields = field_paths(resource)
    for chosen in odd.sample(fields, min(len(fields), 30)):
        body = with_value(base(resource, there), chosen, odd.choice(ODD))
        client.call("PUT", f"{path}/{there}?dryRun=All", body)
        if resource.status:
            client.call("PUT", f"{path}/{there}/status?dryRun=All", body)
        client.patch(f"{path}/{there}?dryRun=All", body, "strategic-merge-patch")
        client.patch(f"{path}/{there}?dryRun=All", body, "merge-patch")


@FUZZ
@given(body=VALUES, resource=st.sampled_from(KINDS))
def test_any_json_document(client: Client, body: Any, resource: Resource) -> None:
    path = collection(resource)
    client.post(f"{path}?dryRun=All&fieldValidation=Strict", body)
    client.call("PUT", f"{path}/there?dryRun=All", body)
    client.call("DELETE", f"{path}/there?dryRun=All", body)


@FUZZ
@given(
    body=st.binary(max_size=80) | st.text(alphabet='{}[]",:0129eE+-.\\ntfu \t', max_size=60).map(str.encode),
    media=st.sampled_from(["application/json", "application/yaml", PROTOBUF, "application/json; charset=latin-1"]),
)
def test_any_bytes(client: Client, body: bytes, media: str) -> None:
    client.post("/api/v1/namespaces/default/configmaps?dryRun=All", body, Content_Type=media)


SUBRESOURCES = (
    ("POST", "pods/there/binding"),
    ("POST", "pods/there/eviction"),
    ("PUT", "replicationcontrollers/there/scale"),
    ("PATCH", "replicationcontrollers/there/scale"),
    ("PUT", "pods/there/ephemeralcontainers"),
    ("POST", "bindings"),
    ("POST", "serviceaccounts/default/token"),
    ("DELETE", "configmaps"),
)


@FUZZ
@given(body=VALUES, which=st.sampled_from(SUBRESOURCES))
def test_any_json_for_a_subresource(client: Client, body: Any, which: tuple[str, str]) -> None:
    method, path = which
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    client.call(method, f"/api/v1/namespaces/default/{path}?dryRun=All", body, Content_Type=media)


REVIEWS = (
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
)


@FUZZ
@given(body=VALUES, path=st.sampled_from(REVIEWS), at=st.sampled_from(["", "spec", "spec.resourceAttributes"]))
def test_any_json_for_a_review(client: Client, body: Any, path: str, at: str) -> None:
    for step in reversed([step for step in at.split(".") if step]):
        body = {step: body}
    client.post(path, body)


def _binary(resource: Resource) -> bytes:
    expected = Expected(resource.type, resource.api_version, resource.kind)
    item, _ = typed(json.dumps(base(resource)).encode(), expected, resource.type, validation="")
    defaulting.apply(item)
    return protobuf.encode(item, resource.api_version, resource.kind)


@pytest.mark.parametrize("resource", KINDS, ids=ids)
def test_protobuf_that_was_bent_or_cut(client: Client, resource: Resource) -> None:
    chance, whole, path = random.Random(resource.qualified), _binary(resource), collection(resource)
    assert client.post(f"{path}?dryRun=All", whole, Content_Type=PROTOBUF).status in (201, 409, 422)
    for number in range(60):
        bent = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            bent[chance.randrange(4, len(bent))] = chance.randrange(256)
        sent = bytes(bent[: chance.randrange(4, len(bent))] if number % 3 == 0 else bent)
        client.post(f"{path}?dryRun=All", sent, Content_Type=PROTOBUF)


@FUZZ
@given(raw=st.binary(max_size=60), resource=st.sampled_from(KINDS))
def test_any_protobuf_is_decoded_or_refused(raw: bytes, resource: Resource) -> None:
    for read in (lambda: protobuf.decode(raw, resource.type), lambda: protobuf.unwrap(protobuf.MAGIC + raw)):
        with contextlib.suppress(BadRequest):
            read()


def test_a_protobuf_message_within_itself_is_refused(client: Client) -> None:
    """A schema that holds itself (or a list in a list) must not cost the stack."""
    inner = b""
    for _ in range(3000):
        inner = protobuf.length_delimited(2, inner)
    body = protobuf.enveloped(inner, "v1", "Pod")
    assert client.post("/api/v1/namespaces/default/pods?dryRun=All", body, Content_Type=PROTOBUF).status in (400, 422)
