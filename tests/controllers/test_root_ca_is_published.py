"""Each namespace has the cluster's CA in a config map, whatever others do to it."""

from api.core import ConfigMap, Namespace
from api.errors import NotFound
from client import Client
from master.controllers.informers import ROOT_CA
from tests.controllers.conftest import Start
from tests.controllers.live import Master
from tests.e2e.waiting import until


def _published(admin: Client, namespace: str) -> dict[str, str]:
    try:
        return admin.get(ConfigMap, ROOT_CA, namespace).data
    except NotFound:
        return {}


def test_it_is_made_and_made_again(master: Master, admin: Client, controllers: Start, namespace: str) -> None:
    wanted = {"ca.crt": master.certificates.ca_certificate.read_text()}
    controllers()
    until(lambda: _published(admin, namespace) == wanted)
    until(lambda: _published(admin, "kube-system") == wanted)
    first = admin.get(ConfigMap, ROOT_CA, namespace).metadata.uid
    admin.delete(ConfigMap, ROOT_CA, namespace)
    until(lambda: _published(admin, namespace) == wanted)
    assert admin.get(ConfigMap, ROOT_CA, namespace).metadata.uid != first


def test_what_others_change_is_put_right(master: Master, admin: Client, controllers: Start, namespace: str) -> None:
    wanted = {"ca.crt": master.certificates.ca_certificate.read_text()}
    controllers()
    until(lambda: _published(admin, namespace) == wanted)
    spoilt = {
        "metadata": {"labels": {"mine": "yes"}},
        "data": {"ca.crt": "x", "more": "y"},
        "binaryData": {"b": "eA=="},
    }
    admin.patch(ConfigMap, ROOT_CA, namespace, spoilt, form="merge")
    until(lambda: _published(admin, namespace) == wanted)
    mended = admin.get(ConfigMap, ROOT_CA, namespace)
    assert (mended.metadata.labels, mended.binary_data) == ({"mine": "yes"}, {})


def test_a_namespace_that_goes_takes_it_along(admin: Client, controllers: Start, namespace: str) -> None:
    controllers()
    until(lambda: _published(admin, namespace))
    admin.delete(Namespace, namespace)
    until(lambda: namespace not in [one.metadata.name for one in admin.list(Namespace).items])
    assert _published(admin, namespace) == {}
