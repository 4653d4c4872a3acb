"""Real scrapers of the tests: Debian's prometheus and victoria-metrics, unpacked by scripts/test-clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any


def program(name: str) -> Path:
    """Fails the test when it is not there: a scraper that is never tried is not known to work."""
    where = Path(os.environ.get("STEERSMAN_TEST_CLIENTS") or Path(sys.prefix) / "test-clients")
    assert (where / name).exists(), f"{where / name} is not there; run scripts/test-clients"
    return where / name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Scraper:
    """A scraper with Prometheus' HTTP API, from its start to its end."""

    def __init__(self, name: str, directory: Path, *arguments: str) -> None:
        """`{port}` in the arguments stands for the port that it is to listen on."""
        self._port = free_port()
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as log:
            command = [str(program(name)), *(one.format(port=self._port) for one in arguments)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer; None while it does not answer."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return None  # it still starts
            raise AssertionError(f"{path} {query}: {error.read().decode()}") from error
        except OSError:
            assert self._process.poll() is None, self.log.read_text(encoding="utf-8")
            return None

    def series(self, expression: str) -> list[Any]:
        found = self.ask("query", query=expression)
        return list(found["result"]) if found else []

    def targets(self) -> dict[tuple[str, str], str]:
        """(job, path) of each target to its health."""
        found = self.ask("targets") or {"activeTargets": []}
        return {
            (one["labels"]["job"], one["labels"].get("metrics_path", "")): f"{one['health']} {one['lastError']}".strip()
            for one in found["activeTargets"] or []
        }

    def firing(self, alert: str) -> list[dict[str, str]]:
        """The labels of what fires."""
        found = self.ask("alerts") or {"alerts": []}
        return [
            one["labels"] for one in found["alerts"] if one["labels"]["alertname"] == alert and one["state"] == "firing"
        ]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait(10)


def prometheus(directory: Path) -> Scraper:
    """Debian's, over the prometheus.yml in that directory."""
    return Scraper(
        "prometheus",
        directory,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:{port}",
        "--web.console.templates=/nonexistent",
        "--web.console.libraries=/nonexistent",
    )


def victoria_metrics(directory: Path) -> Scraper:
    """It discovers as upstream's Prometheus does."""
    return Scraper(
        "victoria-metrics",
        directory,
        "-promscrape.config=prometheus.yml",
        "-promscrape.config.strictParse=false",  # rules are not its business
        "-memory.allowedBytes=128MiB",
        "-storageDataPath=data",
        "-httpListenAddr=127.0.0.1:{port}",
        "-promscrape.kubernetesSDCheckInterval=2s",
        "-search.latencyOffset=1s",
    )
