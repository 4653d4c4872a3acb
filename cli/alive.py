"""Does a component do its work? Asked from outside, at its own port: what systemd's READY and WATCHDOG are about.

A process whose threads hang still has a process id; it has no answer. Each component has one question here, a value of
its own settings; only the edge at the end opens a socket. A component without a port of its own (its port set to 0) has
no question, and counts as alive while its process can say so.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any

ANSWER_S = 5.0

Question = Callable[[], bool]


def question_of(component: str, config: Any) -> Question | None:
    """How to ask this component; None when it has no port to be asked at."""
    ask = _QUESTIONS.get(component)
    return ask(config) if ask is not None else None


def _apiserver(config: Any) -> Question | None:
    return _http(config.bind_address, config.secure_port, "/livez", tls=True)


def _health_port(config: Any) -> Question | None:
    return _http(config.healthz_bind_address, config.healthz_port, "/livez", tls=False)


def _agent(config: Any) -> Question | None:
    return _http(config.address, config.port, "/healthz", tls=True)


def _cadvisor(config: Any) -> Question | None:
    return _http(config.listen_address, config.port, "/healthz", tls=False)


def _dns(config: Any) -> Question | None:
    if not config.port:
        return None
    labels = b"".join(bytes([len(one)]) + one.encode("ascii") for one in config.domain.strip(".").split("."))
    # RFC 1035 4.1: number 1, one question, for the SOA (6) of our own domain, class IN.
    message = b"\0\1\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\6\0\1"
    return lambda: answers_dns(config.listen_address, config.port, message)


_QUESTIONS: dict[str, Callable[[Any], Question | None]] = {
    "apiserver": _apiserver,
    "controllers": _health_port,
    "scheduler": _health_port,
    "agent": _agent,
    "netproxy": _health_port,
    "dns": _dns,
    "cadvisor": _cadvisor,
}


def _http(address: str, port: int, path: str, *, tls: bool) -> Question | None:
    return (lambda: answers_http(reachable(address), port, path, tls=tls)) if port else None


def reachable(address: str) -> str:
    """The address to call for one that is listened on: any address means loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address, address)


def answers_http(address: str, port: int, path: str, *, tls: bool) -> bool:
    """True when the server answers below 500, or refuses us for want of a certificate.

    Both are the work of a server that lives. What else it may lack, its metrics and conditions tell.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("ascii")
    try:
        plain = socket.create_connection((address, port), timeout=ANSWER_S)
        with plain, _secured(plain) if tls else plain as channel:
            try:
                channel.sendall(request)
                line = channel.recv(64)
            except (ssl.SSLError, ConnectionResetError) as error:
                # With TLS 1.3 our handshake is over before the server misses our certificate. It says so by an alert,
                # which the kernel throws away with the connection when our request came in between.
                return tls and not isinstance(error, TimeoutError)
    except OSError:
        return False
    words = line.split(b" ", 2)
    return len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() and int(words[1]) < 500


def _secured(plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is said and nothing believed but that an answer came, from a port that is ours by our own settings.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def answers_dns(address: str, port: int, message: bytes) -> bool:
    """True when a name server answers this message over UDP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.settimeout(ANSWER_S)
            channel.connect((reachable(address), port))
            channel.send(message)
            return channel.recv(512)[:2] == message[:2]
    except OSError:
        return False
