"""swagger-ui as a person meets it: a real Chromium, behind ``kubectl proxy``, which lends it a certificate."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import websocket
from kubectls import NEW, binary
from tests_apiserver import Api, Running
from urllib3.exceptions import HTTPWarning

from tests.e2e.waiting import until


@pytest.fixture
def proxy(kubeconfig: Path) -> Iterator[str]:
    """The address of a ``kubectl proxy`` with the admin's rights."""
    process = subprocess.Popen(
        [binary(NEW), f"--kubeconfig={kubeconfig}", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        yield f"http://{found[0]}"
    finally:
        process.kill()
        process.communicate(timeout=10)


class Browser:
    """One tab of a headless Chromium, by the DevTools protocol."""

    def __init__(self, directory: Path) -> None:
        chromium = shutil.which("chromium")
        assert chromium is not None, "chromium is not installed; run scripts/setup-host --tests"
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1300,1400")
        # Nothing but this machine can be reached: what the page needs must come from the server.
        offline = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
        # Where it leaves a socket and a link when it ends.
        self._own = tempfile.TemporaryDirectory(prefix="chromium.", dir="/tmp", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [chromium, *flags, offline, "--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": self._own.name},
        )
        self._number = 0
        self.events: list[dict[str, Any]] = []
        try:
            told = directory / "DevToolsActivePort"
            port = int(until(lambda: told.exists() and told.read_text().splitlines())[0])
            self._socket = websocket.create_connection(self._tab(port), timeout=20, suppress_origin=True)
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self._end()
            raise

    @staticmethod
    def _tab(port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            tabs = json.load(answer)
        return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def value(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def close(self) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._own.cleanup()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    tab = Browser(tmp_path / "profile")
    yield tab
    tab.close()


_BLOCKS = "document.querySelectorAll('.opblock').length"
_LIST_NAMESPACES = "document.querySelector('#operations-core_v1-listCoreV1Namespace')"


def test_the_api_is_listed_and_tried_out(browser: Browser, proxy: str, namespace: str, tmp_path: Path) -> None:
    # The address names the operation; rows out of sight are not drawn.
    browser.call("Page.navigate", url=f"{proxy}/swagger-ui/#/core_v1/listCoreV1Namespace")
    until(lambda: browser.value(_BLOCKS) > 10)
    documents = browser.value("[...document.querySelectorAll('#select option')].map(option => option.innerText)")
    assert {"everything", "api/v1", "apis/apps/v1", "apis/events.k8s.io/v1"} <= set(documents)
    until(lambda: browser.value(f"{_LIST_NAMESPACES} !== null"))
    until(lambda: browser.value(f"!!{_LIST_NAMESPACES}.querySelector('.try-out__btn')"))
    browser.value(f"{_LIST_NAMESPACES}.querySelector('.try-out__btn').click()")
    until(lambda: browser.value(f"!!{_LIST_NAMESPACES}.querySelector('.execute')"))
    browser.value(f"{_LIST_NAMESPACES}.querySelector('.execute').click()")
    live = f"{_LIST_NAMESPACES}.querySelector('.live-responses-table')"
    until(lambda: browser.value(f"!!{live}"))
    shown = browser.value(f"{live}.innerText")
    assert shown.split()[:3] == ["Code", "Details", "200"]
    assert f'"name": "{namespace}"' in shown

    requests = [event["params"]["request"]["url"] for event in browser.events if event["method"].endswith("BeSent")]
    assert requests
    assert all(url.startswith((proxy, "data:")) for url in requests)
    complaints = [event["params"] for event in browser.events if event["method"] == "Log.entryAdded"]
    assert not [text for text in complaints if text["entry"]["level"] == "error"], complaints
    _photograph(browser, tmp_path / "swagger-ui.png")


def _photograph(browser: Browser, path: Path) -> None:
    """For a person who looks into a failure; the page stands as it was at the end."""
    path.write_bytes(base64.b64decode(browser.call("Page.captureScreenshot")["data"]))
    assert path.stat().st_size > 10_000


def test_each_document_can_be_chosen(browser: Browser, proxy: str) -> None:
    browser.call("Page.navigate", url=f"{proxy}/swagger-ui/?urls.primaryName=apis/apps/v1")
    until(lambda: browser.value(_BLOCKS) > 10)
    tags = browser.value("[...document.querySelectorAll('.opblock-tag')].map(tag => tag.dataset.tag)")
    assert tags == ["apps_v1"]
    assert browser.value("document.querySelectorAll('.errors-wrapper').length") == 0


def test_the_page_is_for_those_who_may_see_the_schemas(server: Running, admin: Api) -> None:
    page = admin.get("/swagger-ui/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert admin.get("/swagger-ui/", If_None_Match=page.headers["ETag"]).status == 304
    for path in ("/swagger-ui/../secret", "/swagger-ui/%2e%2e/__init__.py", "/swagger-ui/nope.js"):
        assert admin.get(path).status in (400, 404), path
    assert admin.call("POST", "/swagger-ui/").status == 405
    with urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False) as nobody, pytest.warns(HTTPWarning):
        assert nobody.request("GET", f"{server.url}/swagger-ui/").status == 401
