"""The doors to a cluster that the tests use: a real kubectl, and the bare API over HTTPS."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.clusters import Cluster, clean_environment
from tests.e2e.waiting import until

KUBECTL = Path(sys.executable).with_name("kubectl")
Object = dict[str, Any]


class Kubectl:
    """Runs the newest kubectl with no special flag, as a user would; `home` keeps its caches apart."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self._prefix = cluster.prefix
        self._environment = clean_environment(KUBECONFIG=str(cluster.kubeconfig), HOME=str(home))

    def try_it(self, *arguments: str, stdin: str = "", limit_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run it to its end, however it ends."""
        return subprocess.run(
            [*self._prefix, str(KUBECTL), *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str = "", limit_s: float = 60) -> str:
        """What it printed; AssertionError when it failed."""
        result = self.try_it(*arguments, stdin=stdin, limit_s=limit_s)
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def create(self, *objects: Object, namespace: str = "default") -> str:
        """`kubectl create -f -` of the objects, in one file."""
        return self("create", "--namespace", namespace, "-f", "-", stdin=yaml.safe_dump_all(objects))

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[Stream]:
        """A kubectl that goes on, as with -w or -f; it is ended with the block."""
        process = subprocess.Popen(
            [*self._prefix, str(KUBECTL), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        try:
            yield Stream(process)
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()


class Stream:
    """The growing output of a running command."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._text = ""

    def text(self) -> str:
        """All that came so far."""
        assert self._process.stdout is not None
        self._text += (self._process.stdout.read() or b"").decode()
        return self._text

    def until(self, wanted: str, *, limit_s: float = 20) -> str:
        """Wait until the output holds a text; all output so far."""
        until(lambda: wanted in self.text(), limit_s=limit_s, what=f"{wanted!r} in {self._text!r}")
        return self._text

    def has_ended(self) -> bool:
        return self._process.poll() is not None


class Api:
    """The API as plain HTTPS and JSON, with the admin's certificate: a second opinion beside kubectl, and quicker."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
        self.server: str = config["clusters"][0]["cluster"]["server"]
        self.ca = _material(config["clusters"][0]["cluster"], "certificate-authority", folder / "ca.crt")
        user = config["users"][0]["user"]
        self.certificate = (
            _material(user, "client-certificate", folder / "admin.crt"),
            _material(user, "client-key", folder / "admin.key"),
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = self.ca
        self._session.cert = self.certificate

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self.server + path, timeout=20, **options)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def is_there(self, path: str) -> bool:
        return self.call("GET", path).status_code == 200

    def items(self, plural: str, namespace: str = "default", selector: str = "") -> list[Object]:
        answer = self.call("GET", f"/api/v1/namespaces/{namespace}/{plural}", params={"labelSelector": selector})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def pod(self, name: str, namespace: str = "default") -> Object:
        return dict(self.get(f"/api/v1/namespaces/{namespace}/pods/{name}"))

    def ready_pods(self, selector: str = "", namespace: str = "default") -> list[Object]:
        """The pods that are Running, ready and not being deleted."""
        return [one for one in self.items("pods", namespace, selector) if is_ready(one)]

    def events(self, name: str, namespace: str = "default") -> list[Object]:
        """Events about one object."""
        return [one for one in self.items("events", namespace) if one["involvedObject"]["name"] == name]

    def addresses(self, service: str, namespace: str = "default") -> set[str]:
        """The ready addresses of a service's endpoints; none while there are no endpoints of that name."""
        answer = self.call("GET", f"/api/v1/namespaces/{namespace}/endpoints/{service}")
        subsets = answer.json().get("subsets") or [] if answer.status_code == 200 else []
        return {one["ip"] for subset in subsets for one in subset.get("addresses") or []}


def is_ready(pod: Object) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions") or []}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restarts(pod: Object) -> int:
    """How often the pod's first container was restarted."""
    statuses = pod["status"].get("containerStatuses") or [{"restartCount": 0}]
    return int(statuses[0]["restartCount"])


def _material(holder: Object, key: str, path: Path) -> str:
    """A file with what a kubeconfig holds, or names, under a key."""
    if f"{key}-data" not in holder:
        return str(holder[key])
    path.write_bytes(base64.b64decode(holder[f"{key}-data"]))
    path.chmod(0o600)
    return str(path)
