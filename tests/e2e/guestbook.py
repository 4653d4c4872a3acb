"""The guestbook: its manifest with a node port of the tests', its images, and a visitor."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import requests

from tests.e2e.clusters import ROOT, Cluster
from tests.e2e.doors import Api

MANIFEST = ROOT / "examples/guestbook/guestbook.yaml"
EXAMPLE_NODE_PORT = "30001"
IMAGES = ("kubeguide/redis-master", "kubeguide/guestbook-redis-slave", "kubeguide/guestbook-php-frontend")
TEST_IMAGE = "steersman/busybox:1"
PODS = 6
READY_LIMIT_S = 60


def build_images() -> None:
    """Build what is missing on the host's daemon."""
    for script in ("examples/guestbook/images.sh", "scripts/test-images"):
        done = subprocess.run([ROOT / script], capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"


def manifest_for(cluster: Cluster) -> Path:
    """The example's file with the node port of this cluster."""
    text = MANIFEST.read_text(encoding="utf-8")
    assert text.count(f"nodePort: {EXAMPLE_NODE_PORT}") == 1
    path = cluster.folder / "guestbook.yaml"
    path.write_text(text.replace(EXAMPLE_NODE_PORT, str(cluster.node_port)), encoding="utf-8")
    return path


def is_up(api: Api) -> bool:
    return len(api.ready_pods("name in (redis-master,redis-slave,frontend)")) == PODS


class Visitor:
    """Someone who opens the page: each request on a connection of its own, as the front end closes each."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str = "/", limit_s: float = 5) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(self.url + path, timeout=limit_s)

    def is_served(self, path: str = "/healthz") -> bool:
        try:
            return self.get(path, limit_s=1).status_code == 200
        except requests.RequestException:
            return False

    def say(self, key: str, value: str) -> None:
        answer = self.get(f"/guestbook.php?cmd=set&key={key}&value={value}")
        assert answer.json() == {"message": "Updated"}, answer.text

    def read(self, key: str) -> str:
        answer = self.get(f"/guestbook.php?cmd=get&key={key}")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"])

    def servers(self, visits: int) -> Counter[str]:
        """Which pod answered how often."""
        return Counter(self.get("/healthz").headers["X-Served-By"] for _ in range(visits))

    def reached(self, visits: int) -> set[str]:
        """Which pods answer, while some are being ended: a visitor of one that ends just then is cut off."""
        found = set()
        for _ in range(visits):
            try:
                found.add(self.get("/healthz").headers["X-Served-By"])
            except requests.RequestException:
                continue
        return found
