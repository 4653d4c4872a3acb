"""Asks node agents for logs, metrics and streams over HTTPS, with the apiserver's own client certificate.

The agent's certificate is checked against the cluster's CA when one is given; its name is not, since nodes are reached
by the address that they report of themselves.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.core import Node
from api.errors import InternalError, ServiceUnavailable
from master.apiserver.exchange import CONNECT_S, Address, Asked, Reply, exchange

_PLAIN = (("Accept", "*/*"), ("Connection", "close"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTls:
    """PEM files: our client certificate and key, and the CA of the agents' certificates."""

    certificate: Path
    key: Path
    ca: Path


def address_of(node: Node) -> Address:
    """Where a node's agent listens. Raises ServiceUnavailable when the node has not told."""
    addresses = {item.type: item.address for item in node.status.addresses}
    host = addresses.get("InternalIP") or addresses.get("ExternalIP") or addresses.get("Hostname")
    endpoint = node.status.daemon_endpoints and node.status.daemon_endpoints.kubelet_endpoint
    if not host or not endpoint or not endpoint.port:
        raise ServiceUnavailable(f'node "{node.metadata.name}" has not reported the address of its agent')
    return Address(host, endpoint.port)


class NodeClient:
    """Opens requests to agents. Without TLS files every request is refused."""

    def __init__(self, tls: NodeTls | None) -> None:
        self._tls = tls
        self._context: ssl.SSLContext | None = None

    def _ssl(self) -> ssl.SSLContext:
        if self._tls is None:
            raise InternalError("the apiserver has no client certificate for node agents")
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(self._tls.ca)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            self._context = context
        return self._context

    def reload(self) -> None:
        """Read the files again for the next connection."""
        self._context = None

    async def open(
        self,
        address: Address,
        path: str,
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = _PLAIN,
        body: bytes = b"",
    ) -> Reply:
        """Ask for a path with its query. Raises ServiceUnavailable when the agent cannot be reached."""
        asked = Asked(path=path, method=method, headers=headers, body=body)
        return await exchange(address, asked, tls=self._ssl(), answer_s=CONNECT_S, doing="error dialing agent at")
