"""One cluster for these tests, and a pod on it that does what they ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.client_files import client_files
from tests.e2e import guestbook as book
from tests.e2e.clusters import Cluster, free_slot
from tests.e2e.doors import Api, Kubectl, Object, is_ready
from tests.e2e.pods import pod, shell
from tests.e2e.sessions import api, kubectl
from tests.e2e.waiting import until

__all__ = ["api", "client_files", "kubectl"]
PAGE = "hello from loopback"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    book.build_images()
    made = Cluster(free_slot(100 + os.getpid()), tmp_path_factory.mktemp("cluster"))
    try:
        made.up()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def web(kubectl: Kubectl, api: Api) -> Object:
    """A pod with a page on 127.0.0.1:8080, one on port 8081, and a container `echo` that reads its input."""
    serve = "mkdir -p /a /b; echo {} >/a/index.html; echo other >/b/index.html"
    script = f"{serve}; busybox httpd -p 127.0.0.1:8080 -h /a; busybox httpd -p 8081 -h /b; sleep 3600"
    wanted = pod("web", *shell(script.format(PAGE)))
    first = wanted["spec"]["containers"][0]
    echo = first | {"name": "echo", "stdin": True, "command": ["sh", "-c", "while read x; do echo got $x; done"]}
    wanted["spec"]["containers"].append(echo)
    kubectl.create(wanted, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}} | _never_starts(first))
    until(lambda: is_ready(api.pod("web")), limit_s=30, what="pod web ready")
    return api.pod("web")


def _never_starts(container: Object) -> Object:
    return {"spec": {"containers": [container | {"image": "localhost/nothing:1", "imagePullPolicy": "Never"}]}}
