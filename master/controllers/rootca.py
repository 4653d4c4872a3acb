"""Root CA publisher: every namespace has a ConfigMap ``kube-root-ca.crt``, by which its pods know the API server.

The rule: its data is the CA that this controller itself trusts, and nothing else; what others change there is put
right, labels and annotations are left alone.
"""

from typing import Any

from api.core import ConfigMap
from api.errors import AlreadyExists
from api.meta import ObjectMeta
from client import Client
from master.controllers.informers import ROOT_CA, Informers
from master.controllers.loop import Key, Loop

_DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


class RootCaPublisher:
    """Makes the config map, and makes it again when it is deleted or changed. ``ca`` is PEM."""

    name = "root-ca-certificate-publisher"

    def __init__(self, client: Client, informers: Informers, ca: bytes) -> None:
        self._client = client
        self._data = {"ca.crt": ca.decode()}
        self._namespaces = informers.namespaces
        self._config_maps = informers.root_cas
        self.loop = Loop(self.name, self.reconcile)
        self.loop.follow(self._namespaces)
        self._config_maps.add_listener(self._config_map_changed)

    def _config_map_changed(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        found = new or old
        if found is not None:
            self.loop.queue.add(("", found.metadata.namespace))

    def reconcile(self, key: Key) -> str:
        namespace = self._namespaces.get(*key)
        if namespace is None or namespace.status.phase == "Terminating":
            return ""
        found = self._config_maps.get(namespace.metadata.name, ROOT_CA)
        if found is None:
            return self._create(namespace.metadata.name)
        if found.data == self._data and not found.binary_data:
            return ""
        meta = found.metadata
        self._client.patch(ConfigMap, meta.name, meta.namespace, self._patch(found), form="merge")
        return "put the CA right"

    def _patch(self, found: ConfigMap) -> dict[str, Any]:
        """Refused when the object is not any more what was looked at. None takes a key away."""
        guard = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version}
        return {"metadata": guard, "data": dict.fromkeys(found.data) | self._data, "binaryData": None}

    def _create(self, namespace: str) -> str:
        meta = ObjectMeta(name=ROOT_CA, namespace=namespace, annotations=dict(_DESCRIPTION))
        try:
            self._client.create(ConfigMap(metadata=meta, data=self._data))
        except AlreadyExists:
            return ""
        return "published the CA"
