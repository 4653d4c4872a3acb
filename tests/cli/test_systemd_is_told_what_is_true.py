"""READY after the first answer at the port, WATCHDOG after further ones only, RELOADING while settings are read."""

import contextlib
import http.server
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import notices
from cli.alive import answers_dns, answers_http, question_of
from cli.components import COMPONENTS


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield channel


def test_ready_is_said_only_after_the_first_answer(heard: socket.socket) -> None:
    answers = threading.Event()
    with notices.told(threading.Event(), answers.is_set):
        heard.settimeout(0.5)
        with pytest.raises(TimeoutError):
            heard.recv(100)
        answers.set()
        heard.settimeout(60)
        assert heard.recv(100).startswith(b"READY=1")


def test_a_component_that_no_longer_answers_is_silent(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    answers, asked = threading.Event(), threading.Event()
    answers.set()

    def question() -> bool:
        asked.set()
        return answers.is_set()

    with notices.told(threading.Event(), question):
        assert heard.recv(100).startswith(b"READY=1")
        assert heard.recv(100) == b"WATCHDOG=1"
        answers.clear()
        heard.setblocking(False)
        for _ in range(3):  # a sign that was under way may still come; then none after whole questions
            asked.clear()
            assert asked.wait(60)
            while drained(heard):
                pass
        asked.clear()
        assert asked.wait(60)
        assert not drained(heard)


def drained(channel: socket.socket) -> bytes:
    try:
        return channel.recv(100)
    except BlockingIOError:
        return b""


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "5000000")
    assert notices.watchdog_s() == 5.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notices.watchdog_s() is None


def test_without_systemd_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    asked: list[bool] = []
    with notices.told(threading.Event(), lambda: asked.append(True) or True):  # type: ignore[func-returns-value]
        pass
    assert asked == []


def test_a_hangup_reads_the_settings_again(tmp_path: Path, heard: socket.socket, start: Any) -> None:
    settings, lives = tmp_path / "part.yaml", tmp_path / "lives"
    settings.write_text("port: 7\n")
    process = start("run_component.py", "--config", settings, "--file", lives)
    assert heard.recv(100).startswith(b"READY=1")
    settings.write_text("port: 8\nlog-level: debug\n")
    reloaded(process, heard)
    settings.write_text("port: seven\n")
    reloaded(process, heard)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "settings read again log_level=debug after_restart=port" in output
    assert "reload failed, the settings stay as they were" in output
    assert "port: must be a whole number, is 'seven'" in output
    assert process.returncode == 0


def reloaded(process: "subprocess.Popen[str]", heard: socket.socket) -> None:
    """Ask until it is done: a signal just before the interpreter waits for a lock is seen when that wait ends."""
    heard.settimeout(2)
    for _ in range(30):
        process.send_signal(signal.SIGHUP)
        with contextlib.suppress(TimeoutError):
            assert heard.recv(100).startswith(b"RELOADING=1")
            break
    heard.settimeout(60)
    assert heard.recv(100) == b"READY=1"


def test_every_component_with_a_port_has_a_question() -> None:
    for component in COMPONENTS:
        config = component.config_class()()
        port = (
            getattr(config, "secure_port", None) or getattr(config, "healthz_port", None) or getattr(config, "port", 0)
        )
        assert (question_of(component.name, config) is not None) == bool(port), component.name


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """Answers 404 to everything but /ill."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500 if self.path == "/ill" else 404)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def test_an_answer_is_life_and_an_error_of_the_server_is_not(server: http.server.HTTPServer) -> None:
    port = server.server_port
    assert answers_http("127.0.0.1", port, "/healthz", tls=False)
    assert not answers_http("127.0.0.1", port, "/ill", tls=False)
    assert not answers_http("127.0.0.1", port, "/healthz", tls=True)


def test_nobody_there_and_somebody_who_says_nothing_are_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.alive.ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert not answers_http("127.0.0.1", port, "/livez", tls=False)
        assert not answers_http("127.0.0.1", port, "/livez", tls=True)
    assert not answers_http("127.0.0.1", port, "/livez", tls=False)
    assert not answers_dns("127.0.0.1", port, b"\0\1")


def test_a_server_that_wants_a_certificate_lives(tmp_path: Path) -> None:
    from master import pki

    identity = pki.agent_identity(node_name="n1", host_name="n1", addresses=())
    made = pki.ensure(tmp_path, (identity,), server="https://127.0.0.1:1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate("agent"), made.key("agent"))
    context.load_verify_locations(made.ca_certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            client, _ = listener.accept()
            with client, pytest.raises(ssl.SSLError):
                context.wrap_socket(client, server_side=True)

        thread = threading.Thread(target=refuse)
        thread.start()
        config = SimpleNamespace(address="0.0.0.0", port=listener.getsockname()[1])
        question = question_of("agent", config)
        assert question is not None
        assert question()
        thread.join(60)
