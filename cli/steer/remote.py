"""A command in a container, from this terminal: one WebSocket, whose messages begin with the number of a channel.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
import websocket

from api.codec import decode
from api.errors import from_status
from api.meta import Status
from cli.steer.failures import Failure, told
from cli.steer.session import Session

_STDIN, _STDOUT, _STDERR, _RESULT, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_PIECE = 32 * 1024
_COMMANDS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


def run(
    session: Session, pod: str, container: str, command: Sequence[str], *, stdin: bool, tty: bool, at: str = "exec"
) -> int:
    """Until the command has ended; its exit code. ``at`` is exec or attach. Raises Failure."""
    terminal = tty and stdin and sys.stdin.isatty()
    if tty and not terminal:
        print("Unable to use a TTY - input is not a terminal or the right kind of file", file=sys.stderr)
    query = _query(container, command, stdin=stdin, tty=terminal)
    connection = connect(session, pod, at, query, _COMMANDS)
    with contextlib.ExitStack() as ends:
        ends.callback(connection.close)
        if terminal:
            ends.enter_context(_raw_terminal())
            ends.enter_context(_following_size(connection))
        if stdin:
            threading.Thread(target=_feed, args=(connection,), name="steer-stdin", daemon=True).start()
        status = _listen(connection)
    return _exit_code(status)


def _query(container: str, command: Sequence[str], *, stdin: bool, tty: bool) -> str:
    flags = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    pairs = [("command", word) for word in command]
    if container:
        pairs.append(("container", container))
    return urlencode([*pairs, *((name, "true") for name, wanted in flags.items() if wanted)])


def connect(session: Session, pod: str, subresource: str, query: str, protocols: Sequence[str]) -> Any:
    """An open WebSocket to a pod. Raises Failure."""
    credentials = session.credentials
    scheme, _, address = credentials.server.rstrip("/").partition("://")
    path = session.discovery.find("pods").path(session.namespace, pod, subresource)
    headers = [f"{name}: {value}" for name, value in credentials.headers]
    secure = {"context": credentials.ssl_context()} if scheme == "https" else None
    connection: Any = websocket.WebSocket(sslopt=secure, enable_multithread=True)
    try:
        connection.connect(
            f"{'wss' if scheme == 'https' else 'ws'}://{address}{path}?{query}", header=headers, suppress_origin=True,
            subprotocols=list(protocols),
        )  # fmt: skip
    except websocket.WebSocketBadStatusException as error:
        raise _refusal(error) from error
    except (OSError, websocket.WebSocketException) as error:
        raise Failure(f"unable to upgrade connection: {error}") from error
    return connection


def _refusal(error: websocket.WebSocketBadStatusException) -> Failure:
    body = error.resp_body or b""
    try:
        return Failure(told(from_status(decode(body, Status), http_code=error.status_code)), prefix="")
    except msgspec.MsgspecError:
        return Failure(body.decode(errors="replace").strip() or f"HTTP status {error.status_code}")


def _listen(connection: Any, take: Callable[[bytes], object] | None = None) -> dict[str, Any]:
    """Prints what comes until the result does; ``take`` gets the output instead."""
    status: dict[str, Any] = {}
    while True:
        try:
            code, data = connection.recv_data()
        except (OSError, websocket.WebSocketException):
            return status
        if code == websocket.ABNF.OPCODE_CLOSE:
            return status
        channel, rest = data[0] if data else _STDOUT, data[1:]
        if channel in (_STDOUT, _STDERR) and rest:
            if take is not None and channel == _STDOUT:
                take(rest)
                continue
            out = sys.stdout.buffer if channel == _STDOUT else sys.stderr.buffer
            out.write(rest)
            out.flush()
        elif channel == _RESULT:
            status = json.loads(rest)


def _exit_code(status: dict[str, Any]) -> int:
    if status.get("status") == "Success":
        return 0
    if not status:
        raise Failure("the connection ended before the command did")
    causes = (status.get("details") or {}).get("causes") or ()
    codes = [cause["message"] for cause in causes if cause.get("reason") == "ExitCode"]
    if not codes:
        raise Failure(str(status.get("message") or "the command failed"))
    print(f"command terminated with exit code {codes[0]}", file=sys.stderr)
    return int(codes[0])


def exec_output(
    session: Session, pod: str, container: str, command: Sequence[str], take: Callable[[bytes], object]
) -> int:
    """Runs a command whose output goes to ``take``; its exit code. Raises Failure."""
    connection = connect(session, pod, "exec", _query(container, command, stdin=False, tty=False), _COMMANDS)
    try:
        return _exit_code(_listen(connection, take))
    finally:
        connection.close()


def exec_input(session: Session, pod: str, container: str, command: Sequence[str], data: Iterable[bytes]) -> int:
    """Runs a command that is fed; its exit code. Raises Failure."""
    connection = connect(session, pod, "exec", _query(container, command, stdin=True, tty=False), _COMMANDS)

    def feed() -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            for piece in data:
                connection.send_binary(bytes((_STDIN,)) + piece)
            connection.send_binary(bytes((_CLOSE, _STDIN)))

    sender = threading.Thread(target=feed, name="steer-feed", daemon=True)
    sender.start()
    try:
        return _exit_code(_listen(connection))
    finally:
        connection.close()
        sender.join(timeout=5)


def _feed(connection: Any) -> None:
    """Standard input, to its end; the other side leaving is seen by the one who listens."""
    try:
        while data := os.read(sys.stdin.fileno(), _PIECE):
            connection.send_binary(bytes((_STDIN,)) + data)
        connection.send_binary(bytes((_CLOSE, _STDIN)))
    except (OSError, websocket.WebSocketException):
        return


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _following_size(connection: Any) -> Iterator[None]:
    """Tells the size now and whenever it changes. The signal only wakes a thread: sending is not for handlers."""
    reader, writer = os.pipe()

    def send() -> None:
        size = shutil.get_terminal_size()
        told = json.dumps({"Width": size.columns, "Height": size.lines}).encode()
        with contextlib.suppress(OSError, websocket.WebSocketException):
            connection.send_binary(bytes((_RESIZE,)) + told)

    def follow() -> None:
        while select.select([reader], [], []) and os.read(reader, 1):
            send()

    send()
    threading.Thread(target=follow, name="steer-size", daemon=True).start()
    before = signal.signal(signal.SIGWINCH, lambda *_: os.write(writer, b"w"))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(writer)
