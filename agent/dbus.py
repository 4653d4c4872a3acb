"""Calls to services on the system bus (systemd, logind). The edge: with time limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jeepney import DBusAddress, DBusErrorResponse, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
_TIMEOUT_S = 10.0


class BusError(Exception):
    """The bus cannot be reached, or the service refused. ``name``: of the D-Bus error, when it is one."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


@contextmanager
def connected(bus: str) -> Iterator[DBusConnection]:
    """A connection to the bus at an address. Raises BusError."""
    with bus_errors():
        connection = open_dbus_connection(bus, enable_fds=True)
    with connection:
        yield connection


def call(
    connection: DBusConnection, service: DBusAddress, method: str, signature: str = "", body: tuple[Any, ...] = ()
) -> tuple[Any, ...]:
    """The values that the method answers. Raises BusError."""
    with bus_errors():
        request = new_method_call(service, method, signature or None, body)
        answer = connection.send_and_get_reply(request, timeout=_TIMEOUT_S)
        if answer.header.message_type is MessageType.error:
            raise DBusErrorResponse(answer)
        found: tuple[Any, ...] = unwrap_msg(answer)
        return found


@contextmanager
def bus_errors() -> Iterator[None]:
    try:
        yield
    except DBusErrorResponse as error:
        raise BusError(f"{error.name}: {' '.join(map(str, error.data))}", error.name) from error
    except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError; ValueError: a bus that says no to us
        raise BusError(f"{type(error).__name__}: {error}") from error
