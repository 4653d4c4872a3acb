"""What the agent adds to Docker: POST until Ready of one pod and of ten, beside bare ``docker run`` in the same run.

    python -m bench.agent [--pods 10] [--rounds 10] [--json]

The API is one in memory, so that only the agent and Docker are measured. A pod is two containers (sandbox and one
container); "bare" is one container on a bridge network, ten of them four at once: the least that any agent can take.
"""

import argparse
import concurrent.futures
import json
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from docker.api import APIClient

from api.core import Pod
from tests.agent.busybox import busybox_rootfs
from tests.agent.certificates import Authority
from tests.agent.cluster import NODE, Cluster, free_cidr

_BARE_AT_ONCE = 4
_LIMIT_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=10, help="pods started at once")
    parser.add_argument("--rounds", type=int, default=10, help="single pods measured one after the other")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures = measure(pods=options.pods, rounds=options.rounds)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, seconds in figures.items():
        print(f"{name:<44} {seconds:8.3f} s")


def measure(*, pods: int, rounds: int) -> dict[str, float]:
    """Figure to seconds. Everything made is removed."""
    directory = Path(tempfile.mkdtemp(prefix="steersman-bench-"))
    docker = APIClient(version="auto", timeout=60)
    unique = uuid.uuid4().hex[:8]
    image = f"steersman-bench/busybox:{unique}"
    repository, _, tag = image.partition(":")
    docker.import_image_from_data(busybox_rootfs(), repository=repository, tag=tag)
    cluster = Cluster(
        f"bench-{unique}", f"sb{unique}", free_cidr(), directory / "agent", docker, image, Authority(directory)
    )
    try:
        cluster.start_agent()
        _wait(lambda: len(cluster.docker.networks(names=[cluster.bridge])) == 1)
        return {**_bare(cluster, pods=pods, rounds=rounds), **_agent(cluster, pods=pods, rounds=rounds)}
    finally:
        cluster.clean()
        docker.remove_image(image, force=True)
        docker.close()
        shutil.rmtree(directory, ignore_errors=True)


def _bare(cluster: Cluster, *, pods: int, rounds: int) -> dict[str, float]:
    def run(_: int) -> float:
        began = time.perf_counter()
        host = cluster.docker.create_host_config(network_mode=cluster.bridge)
        labels = {"io.steersman.cluster": cluster.name}
        identity = cluster.docker.create_container(cluster.image, ["sleep", "1000"], host_config=host, labels=labels)[
            "Id"
        ]
        cluster.docker.start(identity)
        took_s = time.perf_counter() - began
        made.append(identity)
        return took_s

    made: list[str] = []
    single = [run(number) for number in range(rounds)]
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(_BARE_AT_ONCE) as pool:
        list(pool.map(run, range(pods)))
    together_s = time.perf_counter() - began
    for identity in made:
        cluster.docker.remove_container(identity, force=True)
    return {
        "bare docker run, p50": statistics.median(single),
        f"bare docker run, {pods} of them": together_s,
    }


def _agent(cluster: Cluster, *, pods: int, rounds: int) -> dict[str, float]:
    single, gone = [], []
    for number in range(rounds):
        name = f"one-{number}"
        single.append(_timed(lambda name=name: (_create(cluster, name), _wait(lambda: _ready(cluster, name)))))
        gone.append(_timed(lambda name=name: (_delete(cluster, name), _wait(lambda: cluster.get(name) is None))))
    names = [f"many-{number}" for number in range(pods)]
    up_s = _timed(lambda: ([_create(cluster, n) for n in names], _wait(lambda: all(_ready(cluster, n) for n in names))))
    down_s = _timed(
        lambda: ([_delete(cluster, n) for n in names], _wait(lambda: not any(cluster.get(n) for n in names)))
    )
    return {
        "one pod, POST until Ready, p50": statistics.median(single),
        "one pod, POST until Ready, worst": max(single),
        "one pod, DELETE until gone, p50": statistics.median(gone),
        f"{pods} pods, POST until all Ready": up_s,
        f"{pods} pods, DELETE until all gone": down_s,
    }


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _create(cluster: Cluster, name: str) -> None:
    cluster.create(name, "trap 'exit 0' TERM; sleep 1000 & wait")


def _delete(cluster: Cluster, name: str) -> None:
    cluster.api.delete(Pod, name, "default")


def _ready(cluster: Cluster, name: str) -> bool:
    pod = cluster.get(name)
    return pod is not None and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def _wait(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + _LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_LIMIT_S:g} s on {NODE}")
        pause.wait(0.005)


if __name__ == "__main__":
    main()
