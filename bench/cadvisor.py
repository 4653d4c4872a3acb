"""What a scrape costs: N recorded containers, the whole way from the files to the bytes of the answer.

    python bench/cadvisor.py [--containers 10,100,1000] [--scrapes 30]

Each count runs in a process of its own over a recorded tree (cgroup v1, the dearer one: more files) on tmpfs where
there is one. `p50` and `p99` are what a client on loopback waits for /metrics, `cpu` is the server's own time per
scrape, `round` that of one round of housekeeping, `core` the share of one core that one of each in 10 s costs, `rss`
the server's resident memory with its history full. On a machine that others use, p50 and p99 are as much theirs;
`chrt -f 1` before the command keeps them away for the few seconds.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
RECORDED = REPOSITORY / "tests" / "cadvisor_lite" / "recorded"
APP = "2e" * 32


def lay_out(directory: Path, count: int) -> list[dict[str, Any]]:
    """A recorded host with `count` containers, half of them sandboxes; gives their inspect documents."""
    shutil.copytree(RECORDED / "v1", directory, dirs_exist_ok=True)
    documents = json.loads((RECORDED / "containers.json").read_text())
    made = []
    for number in range(count):
        identity, pid = f"{number:064x}", 100_000 + number
        for controller in ("cpu", "cpuacct", "memory", "blkio", "pids"):
            base = directory / "cgroup" / controller / "docker"
            shutil.copytree(base / APP, base / identity)
        process = directory / "proc" / str(pid)
        shutil.copytree(directory / "proc" / "4202", process)
        (process / "cgroup").write_text((process / "cgroup").read_text().replace(APP, identity))
        document = json.loads(json.dumps(documents[number % 2]))
        document.update(Id=identity, Name=f"/k8s_bench_pod-{number // 2}_default_{number}")
        document["State"]["Pid"] = pid
        document["Config"]["Labels"]["io.kubernetes.pod.name"] = f"pod-{number // 2}"
        made.append(document)
    return made


def serve(directory: Path, documents: list[dict[str, Any]], pipe: Connection) -> None:
    """The server's process: tells its port, then its CPU time and memory whenever it is asked, until told to end."""
    from cadvisor_lite.config import Config
    from cadvisor_lite.containers import container_from_inspect
    from cadvisor_lite.main import CadvisorLite

    roots: Any = {f"{name}_root": directory / name for name in ("proc", "cgroup", "sys", "etc")}
    config = Config(listen_address="127.0.0.1", port=0, cache_s=0, docker_host=f"unix://{directory}/none.sock", **roots)
    cadvisor = CadvisorLite(config)
    for document in documents:
        if container := container_from_inspect(document):
            cadvisor.monitor.put(container)
    for _ in range(config.history_length):
        cadvisor.monitor.keep_house_once()
    cadvisor.start()
    pipe.send(cadvisor.port)
    while (asked := pipe.recv()) != "end":
        if asked == "round":
            begun = time.process_time()
            cadvisor.monitor.keep_house_once()
            pipe.send(time.process_time() - begun)
            continue
        times, pages = os.times(), int(Path("/proc/self/statm").read_text().split()[1])
        pipe.send((times.user + times.system, time.process_time(), pages * os.sysconf("SC_PAGE_SIZE")))
    cadvisor.stop()


def scrape(port: int, *, compressed: bool) -> tuple[float, int]:
    """(seconds, bytes) of one scrape."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"} if compressed else {})
    response = connection.getresponse()
    size = len(response.read())
    if response.status != 200:
        raise RuntimeError(f"scrape answered {response.status}")
    connection.close()
    return time.perf_counter() - begun, size


def measure(count: int, scrapes: int, *, compressed: bool) -> SimpleNamespace:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        documents = lay_out(Path(name), count)
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        server = context.Process(target=serve, args=(Path(name), documents, there), name="cadvisor-bench")
        server.start()
        try:
            port = here.recv()
            scrape(port, compressed=compressed)
            here.send("cost")
            _, before, _ = here.recv()
            results = [scrape(port, compressed=compressed) for _ in range(scrapes)]
            here.send("cost")
            _, after, resident = here.recv()
            rounds = [_round(here) for _ in range(5)]
            here.send("end")
        finally:
            server.join(30)
            server.kill()
    waits = sorted(seconds for seconds, _ in results)
    return SimpleNamespace(
        p50_s=waits[len(waits) // 2],
        p99_s=waits[min(len(waits) - 1, int(len(waits) * 0.99))],
        cpu_s=(after - before) / scrapes,
        round_s=min(rounds),
        size=results[-1][1],
        resident=resident,
    )


def _round(pipe: Connection) -> float:
    pipe.send("round")
    return float(pipe.recv())


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of a scrape by number of recorded containers")
    parser.add_argument("--containers", default="10,100,1000", help="counts, separated by commas")
    parser.add_argument("--scrapes", type=int, default=30, help="scrapes measured for each count")
    options = parser.parse_args()
    print("containers encoding   p50 ms   p99 ms   cpu ms round ms   core %      KiB  rss MiB")
    for count in map(int, options.containers.split(",")):
        for compressed in (False, True):
            cost = measure(count, options.scrapes, compressed=compressed)
            figures = (
                f"{cost.p50_s * 1e3:.1f}",
                f"{cost.p99_s * 1e3:.1f}",
                f"{cost.cpu_s * 1e3:.1f}",
                f"{cost.round_s * 1e3:.1f}",
                f"{(cost.cpu_s + cost.round_s) * 10:.2f}",
                f"{cost.size / 1024:.0f}",
                f"{cost.resident / 2**20:.1f}",
            )
            row = "".join(f"{figure:>9}" for figure in figures)
            print(f"{count:>10} {'gzip' if compressed else 'plain':>8}{row}", flush=True)


if __name__ == "__main__":
    main()
