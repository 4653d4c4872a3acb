"""Secrets for tokens of service accounts, beside a real API server."""

import pytest

from api.authentication import TokenReview, TokenReviewSpec
from api.codec import decode, encode
from api.core import Secret, ServiceAccount
from api.errors import NotFound
from api.meta import ObjectMeta
from client import Client
from tests.controllers.conftest import Start
from tests.controllers.live import Master
from tests.e2e.waiting import until

NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


@pytest.fixture(autouse=True)
def running(controllers: Start) -> None:
    controllers()


def ask(admin: Client, namespace: str, name: str = "mine", account: str = "builder") -> Secret:
    meta = ObjectMeta(name=name, namespace=namespace, annotations={NAME: account})
    return admin.create(Secret(metadata=meta, type="kubernetes.io/service-account-token"))


def account(admin: Client, namespace: str) -> ServiceAccount:
    return admin.create(ServiceAccount(metadata=ObjectMeta(name="builder", namespace=namespace)))


def filled(admin: Client, namespace: str, name: str = "mine") -> Secret | None:
    found = admin.get(Secret, name, namespace)
    return found if found.data.get("token") else None


def exists(admin: Client, namespace: str, name: str = "mine") -> bool:
    try:
        admin.get(Secret, name, namespace)
    except NotFound:
        return False
    return True


def bearer(admin: Client, token: bytes) -> str:
    """Whom the API server takes its bearer for; empty when for nobody."""
    review = TokenReview(
        api_version="authentication.k8s.io/v1", kind="TokenReview", spec=TokenReviewSpec(token=token.decode())
    )
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = decode(admin.transport.request("POST", path, body=encode(review)), TokenReview).status
    return status.user.username if status.authenticated and status.user is not None else ""


def test_a_secret_that_asks_for_a_token_gets_one_that_holds(admin: Client, namespace: str, master: Master) -> None:
    owner = account(admin, namespace)
    ask(admin, namespace)
    found = until(lambda: filled(admin, namespace))
    assert found is not None
    assert found.metadata.annotations[UID] == owner.metadata.uid
    assert found.data["namespace"] == namespace.encode()
    assert found.data["ca.crt"].startswith(b"-----BEGIN CERTIFICATE")
    assert bearer(admin, found.data["token"]) == f"system:serviceaccount:{namespace}:builder"
    admin.patch(Secret, "mine", namespace, {"data": {"token": None, "ca.crt": "AAAA"}}, form="merge")
    again = until(lambda: filled(admin, namespace))
    assert again is not None
    until(lambda: admin.get(Secret, "mine", namespace).data["ca.crt"] == found.data["ca.crt"])
    admin.delete(Secret, "mine", namespace)
    assert bearer(admin, again.data["token"]) == "", "it dies with the secret"


def test_it_goes_with_its_account(admin: Client, namespace: str) -> None:
    account(admin, namespace)
    ask(admin, namespace)
    found = until(lambda: filled(admin, namespace))
    admin.create(Secret(metadata=ObjectMeta(name="other", namespace=namespace, annotations={NAME: "builder"})))
    admin.delete(ServiceAccount, "builder", namespace)
    until(lambda: not exists(admin, namespace))
    assert found is not None
    assert bearer(admin, found.data["token"]) == ""
    assert exists(admin, namespace, "other"), "another type of secret"


def test_an_account_of_the_same_name_is_another_one(admin: Client, namespace: str) -> None:
    account(admin, namespace)
    meta = ObjectMeta(name="mine", namespace=namespace, annotations={NAME: "builder", UID: "of-an-earlier-one"})
    admin.create(Secret(metadata=meta, type="kubernetes.io/service-account-token"))
    until(lambda: not exists(admin, namespace))


def test_a_secret_for_nobody_goes(admin: Client, namespace: str) -> None:
    ask(admin, namespace, account="nobody")
    until(lambda: not exists(admin, namespace))
