"""A message bus of a test's own (a real dbus-daemon), and services on it that a test answers for."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jeepney import HeaderFields, Message, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


@dataclass(frozen=True, slots=True)
class Bus:
    address: str


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    path, config = tmp_path / "bus", tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(path=path))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert daemon.stdout is not None
        assert daemon.stdout.readline(), "it tells its address when it listens"
        yield Bus(f"unix:path={path}")
    finally:
        daemon.terminate()
        daemon.wait(10)
        daemon.stdout.close()


@dataclass
class Call:
    member: str
    body: tuple[Any, ...]


@dataclass
class Service:
    """Answers as it was told to. By method: ``answers`` has signature and values, ``refuses`` the name of an error."""

    bus: Bus
    name: str
    answers: dict[str, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._connection: DBusConnection = open_dbus_connection(self.bus.address, enable_fds=True)
        self._connection.send_and_get_reply(message_bus.RequestName(self.name), timeout=10)
        self._stopping = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._connection.close()

    def signal(self, emitter: Any, name: str, signature: str, body: tuple[Any, ...]) -> None:
        with self._sending:
            self._connection.send(new_signal(emitter, name, signature, body))

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                message = self._connection.receive(timeout=0.05)
            except TimeoutError:
                continue
            if message.header.message_type is MessageType.method_call:
                answer = self._answer(message)
                with self._sending:
                    self._connection.send(answer)

    def _answer(self, message: Message) -> Message:
        member = message.header.fields[HeaderFields.member]
        self.calls.append(Call(member, message.body))
        if member in self.refuses:
            return new_error(message, self.refuses[member], "s", ("no",))
        if member not in self.answers:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", (member,))
        return new_method_return(message, *self.answers[member])
