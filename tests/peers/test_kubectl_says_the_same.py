"""A day with kubectl 1.20, the server's own generation, at both API servers: every word that it prints is the same.

What it prints of the time, of addresses and of what newer versions know more is left out.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.apiserver_clients.kubectls import DEPLOYMENT, OLD, binary
from tests.e2e.clusters import Cluster
from tests.e2e.doors import Api
from tests.peers.alike import within
from tests.peers.mixed import Mixed

pytestmark = pytest.mark.peer

COMMANDS = (Path(__file__).parent / "kubectl_commands.txt").read_text(encoding="utf-8").splitlines()
SEVERAL = """
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {run: p}}
spec: {containers: [{name: c, image: x}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {run: p}, ports: [{port: 80}]}
"""
FILES = {
    "deployment": DEPLOYMENT,
    "larger": DEPLOYMENT.replace("replicas: 2", "replicas: 3").replace("web:1", "web:2"),
    "negative": DEPLOYMENT.replace("replicas: 2", "replicas: -2").replace('image: "web:1"', 'image: ""'),
    "misspelt": DEPLOYMENT.replace("replicas: 2", "replica: 2"),
    "word": DEPLOYMENT.replace("replicas: 2", "replicas: two"),
    "several": SEVERAL,
    "node": "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}}",
}
_OWN = re.compile(
    r"[0-9a-f]{8}-[-0-9a-f]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z|\w{3}, \d\d \w{3} \d{4} [\d:]+ [+-]\d{4}"
    r"|\b10(\.\d+){3}|\b(\d+m)?\d+s\b|kube-api-access-\w+|\d{4}-\d\d-\d\d [\d:.]+"
)


def _words(text: str) -> list[str]:
    plain = (re.sub(r"[ \t]+", " ", _OWN.sub("OWN", line)).rstrip() for line in text.splitlines())
    return [line for line in plain if line and not line.startswith("I1")]


def _typed(cluster: Cluster, files: Path, home: Path) -> list[tuple[str, int, list[str]]]:
    environment = {**os.environ, "HOME": str(home), "KUBECONFIG": str(cluster.kubeconfig)}
    told = []
    for command in COMMANDS:
        if command.startswith("#"):
            continue
        words = shlex.split(command.replace("D/", f"{files}/"))
        ran = subprocess.run(
            [binary(OLD), "-n", "verbs", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told.append((command, ran.returncode, _words(ran.stdout + ran.stderr)))
    return told


def test_every_word_of_a_day(
    our_master: Mixed, their_master: Mixed, our_api: Api, their_api: Api, tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    for api in (our_api, their_api):
        within(api, "verbs")
    clusters = (our_master.cluster, their_master.cluster)
    with ThreadPoolExecutor(2) as pool:
        ours, theirs = pool.map(_typed, clusters, [tmp_path] * 2, [tmp_path / "ours", tmp_path / "theirs"])
    assert len(ours) > 100
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == other
