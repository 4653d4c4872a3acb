"""A pod calls the API with what it finds in its volume, from its own network, and may what its account may."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.e2e.clusters import Cluster
from tests.e2e.doors import Kubectl, Object, restarts
from tests.e2e.pods import pod
from tests.e2e.waiting import until

pytestmark = pytest.mark.cluster
Run = Callable[..., Object]
HOME = "/var/run/secrets/kubernetes.io/serviceaccount"
# The images have no TLS; this runs with the host's Python in the network of the pod.
CALL = """
import ssl, sys, urllib.error, urllib.request
url, token, ca = sys.argv[1:]
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=ca))
)
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
try:
    print(opener.open(request, timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture
def caller(run: Run) -> Object:
    return run(pod("caller"))


def _list_pods(cluster: Cluster, kubectl: Kubectl, caller: Object) -> str:
    """The status of the answer to the pod's own list of pods; what urllib says when there is none."""
    namespace = caller["metadata"]["namespace"]

    def read(name: str) -> str:
        return kubectl("exec", "-n", namespace, "caller", "--", "cat", f"{HOME}/{name}")

    assert read("namespace") == namespace
    host, port = cluster.execute(caller, "sh", "-c", "echo $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT").split()
    url = f"https://{host}:{port}/api/v1/namespaces/{namespace}/pods"
    pid = cluster.docker("inspect", "--format", "{{.State.Pid}}", cluster.container(caller)).strip()
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", CALL, url, read("token"), read("ca.crt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip() or done.stderr


def test_a_pod_lists_pods_once_its_account_may(caller: Object, cluster: Cluster, kubectl: Kubectl) -> None:
    assert _list_pods(cluster, kubectl, caller) == "403"
    namespace = caller["metadata"]["namespace"]
    account = f"--serviceaccount={namespace}:default"
    kubectl("create", "rolebinding", "lookers", "--clusterrole=view", account, "-n", namespace)
    until(lambda: _list_pods(cluster, kubectl, caller) == "200", limit_s=10, what="the list of pods")


def test_nobody_writes_where_the_token_is(caller: Object, cluster: Cluster) -> None:
    said = cluster.execute(caller, "sh", "-c", f"touch {HOME}/x 2>&1 || true")
    assert "Read-only file system" in said


def test_a_pod_that_wants_no_token_has_none(run: Run, cluster: Cluster) -> None:
    wanted = pod("shy")
    wanted["spec"]["automountServiceAccountToken"] = False
    made = run(wanted)
    assert cluster.execute(made, "sh", "-c", f"ls {HOME} 2>&1 || true").endswith("No such file or directory\n")
    assert restarts(made) == 0
