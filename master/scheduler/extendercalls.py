"""One request to an extender. Loaded when the first is made: few schedulers have extenders, and ``http.client`` with
what it brings (the email package) is memory that all others would hold for nothing.
"""

import http.client
import ssl
from urllib.parse import SplitResult


class _TlsConnection(http.client.HTTPSConnection):
    """Checks the certificate for the name that the configuration says."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._trust, self._name = context, name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._trust.wrap_socket(self.sock, server_hostname=self._name)


def post(
    url: SplitResult, verb: str, body: bytes, *, timeout_s: float, trust: ssl.SSLContext | None, name: str, limit: int
) -> tuple[int, bytes]:
    """The status and the answer, at most ``limit`` bytes of it. ``name`` is what the certificate must be for, where it
    is not the host. Raises OSError.
    """
    connection = _connection(url, timeout_s, trust, name)
    try:
        path = f"{url.path.rstrip('/')}/{verb.lstrip('/')}"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(limit)
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def _connection(
    url: SplitResult, timeout_s: float, trust: ssl.SSLContext | None, name: str
) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if trust is None:
        return http.client.HTTPConnection(host, url.port or 80, timeout=timeout_s)
    return _TlsConnection(host, url.port or 443, timeout=timeout_s, context=trust, name=name or host)
