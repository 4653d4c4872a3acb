"""systemd's login manager: it holds a shutdown back while we have its lock, and says when one begins. The edge.

https://systemd.io/INHIBITOR_LOCKS/
"""

import logging
import os
import select
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, Properties, message_bus
from jeepney.io.blocking import DBusConnection
from jeepney.wrappers import unwrap_msg

from agent.dbus import BusError, bus_errors, call, connected

log = logging.getLogger(__name__)

_MANAGER = DBusAddress(
    "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
)
_SIGNAL = MatchRule(
    type="signal", interface="org.freedesktop.login1.Manager", member="PrepareForShutdown",
    path="/org/freedesktop/login1",
)  # fmt: skip
_TIMEOUT_S = 10.0


class Logind:
    """A connection to it. ``stop_fd``: becomes readable when waiting is to end."""

    def __init__(self, connection: DBusConnection, stop_fd: int, signals: deque[Message]) -> None:
        self._connection = connection
        self._stop_fd = stop_fd
        self._signals = signals
        self._lock: int | None = None

    def delay_s(self) -> float:
        """How long it waits for us at most (InhibitDelayMaxSec). Raises BusError."""
        with bus_errors():
            request = Properties(_MANAGER).get("InhibitDelayMaxUSec")
            answer = unwrap_msg(self._connection.send_and_get_reply(request, timeout=_TIMEOUT_S))
        return float(answer[0][1]) / 1e6

    def hold(self) -> None:
        """Takes the lock, if it is not ours yet. Raises BusError."""
        if self._lock is None:
            told = "Pods of this node need time to end"
            answer = call(self._connection, _MANAGER, "Inhibit", "ssss", ("shutdown", "steersman agent", told, "delay"))
            self._lock = answer[0].to_raw_fd()

    def release(self) -> None:
        """The shutdown goes on."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def signals(self) -> Iterator[bool]:
        """True for each shutdown that begins, False for one that is called off; ends at the stop. Raises BusError."""
        poll = select.poll()
        for one in (self._connection.sock.fileno(), self._stop_fd):
            poll.register(one, select.POLLIN)
        while True:
            while self._signals:
                signal = self._signals.popleft()
                if self._is_managers(signal):
                    yield bool(signal.body[0])
            if any(ready == self._stop_fd for ready, _ in poll.poll()):
                return
            with bus_errors():
                self._receive()

    def _is_managers(self, signal: Message) -> bool:
        """Anyone may send such a signal on the system bus. Raises BusError."""
        (owner,) = call(self._connection, message_bus, "GetNameOwner", "s", (_MANAGER.bus_name,))
        sender = signal.header.fields.get(HeaderFields.sender)
        if sender != owner:
            log.warning("word of a shutdown that is not the login manager's is not believed sender=%s", sender)
        return bool(sender == owner)

    def _receive(self) -> None:
        """All messages that have come whole: bytes that wait in the parser would not wake us again."""
        try:
            while True:
                self._connection.recv_messages(timeout=0)
        except TimeoutError:
            return


@contextmanager
def logind(bus: str, stop_fd: int) -> Iterator[Logind]:
    """Connected and told of shutdowns. The lock goes with the connection. Raises BusError."""
    with connected(bus) as connection, connection.filter(_SIGNAL, bufsize=16) as signals:
        call(connection, message_bus, "AddMatch", "s", (_SIGNAL.serialise(),))
        found = Logind(connection, stop_fd, signals)
        try:
            yield found
        finally:
            found.release()


__all__ = ["BusError", "Logind", "logind"]
