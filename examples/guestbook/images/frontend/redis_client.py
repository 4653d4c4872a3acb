"""The few Redis commands the guestbook needs, over one short-lived connection a call.

A new connection each time lets the service spread the reads over all slaves. Protocol: RESP2.
"""

import os
import socket

TIMEOUT_S = 2.0


class RedisError(Exception):
    """Redis could not be found, reached, or said no."""


def address(service: str) -> tuple[str, int]:
    """Host and port of a service, as GET_HOSTS_FROM says: `env` its variables, `dns` (the default) its name."""
    how = os.environ.get("GET_HOSTS_FROM", "dns")
    if how == "dns":
        return service, 6379
    if how != "env":
        raise RedisError(f"GET_HOSTS_FROM={how}: must be env or dns")
    prefix = service.upper().replace("-", "_")
    host = os.environ.get(f"{prefix}_SERVICE_HOST")
    if not host:
        raise RedisError(f"{prefix}_SERVICE_HOST is not set: create the service {service} before this pod")
    return host, int(os.environ.get(f"{prefix}_SERVICE_PORT", "6379"))


def call(service: str, *words: str) -> str | None:
    """Send one command to a service; its answer as text, None for a missing key."""
    host, port = address(service)
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            connection.sendall(_encode(words))
            with connection.makefile("rb") as answers:
                return _read(answers.readline(), answers.read)
    except (OSError, ValueError) as error:
        raise RedisError(f"{service} at {host}:{port}: {error}") from error


def _encode(words: tuple[str, ...]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


def _read(line: bytes, read: object) -> str | None:
    kind, rest = line[:1], line[1:].strip()
    if kind in b"+:" and kind:
        return rest.decode()
    if kind == b"-":
        raise RedisError(rest.decode(errors="replace"))
    if kind != b"$":
        raise ValueError(f"unexpected answer {line!r}")
    size = int(rest)
    return None if size < 0 else read(size).decode(errors="replace")  # type: ignore[operator]
