"""Passes one request to a port of a pod, plain or over TLS.

A pod's certificate is not checked: no CA is known that could have signed it, and the pod is reached by its address.
"""

import ssl
from functools import cache

from master.apiserver.exchange import Address, Asked, Reply, exchange

_ANSWER_S = 60.0


@cache
def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def open_to_pod(address: Address, asked: Asked, *, secure: bool) -> Reply:
    """Raises ServiceUnavailable when the pod does not take or does not answer it."""
    tls = _trusting() if secure else None
    return await exchange(address, asked, tls=tls, answer_s=_ANSWER_S, doing="error trying to reach service: dial tcp")
