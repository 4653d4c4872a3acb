"""Every operation of a whole apiserver over TLS, next to fixed references in the same run.

    apt-get install wrk
    python -m bench.apiserver [--seconds 3] [--pods 5000] [--only WORD]

The server is a process of its own on a durable store (synchronous FULL); the load comes from wrk with the certificate
of a user to whom RBAC gives the rights; defaulting, admission and validation are on. Each line says how much processor
time the server spent on a request, which a busy machine disturbs less than the rate. The references: a loop that
inserts one row a transaction into SQLite with the same settings, a one-line application under uvicorn, and a loop over
epoll that answers anything with the same bytes, without TLS, with it, and when it has committed what it was sent.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.filling import fill
from bench.references import epoll, uvicorn
from bench.served import PODS, Served, pod, served
from bench.store import bare_inserts_per_s
from bench.wrk import Load, Result, wrk

_CONNECTIONS = (1, 16, 64)
_DELETED = 15_000
_MERGE, _STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
_GET = Load(f"{PODS}/web-00000")


class Bench:
    """The lines of one run."""

    def __init__(self, server: Served, seconds: float, pods: int, only: str) -> None:
        self._server = server
        self._seconds = seconds
        self._pods = pods
        self._only = only

    async def run(self) -> None:
        self._memory("resident memory at start")
        await fill(self._server, "web", self._pods)
        self._memory(f"resident memory with {self._pods} pods")
        one = f"{PODS}/web-%d"
        status = '{"status":{"phase":"Running","message":"%n"}}'
        await self._measure("GET one pod", _GET, 16)
        await self._measure(f"LIST of {self._pods} pods", Load(f"{PODS}?resourceVersion=0"), 1)
        await self._measure("label picking 1 %", Load(f"{PODS}?labelSelector=shard%3D07&resourceVersion=0"), 1)
        await self._measure("status PATCH merge", Load(f"{one}/status", "PATCH", status, _MERGE, self._pods), 16)
        await self._measure(
            "status PATCH strategic", Load(f"{one}/status", "PATCH", status, _STRATEGIC, self._pods), 16
        )
        await self._measure("status PUT", Load(f"{one}/status", "PUT", self._whole(), count=self._pods), 16)
        for connections in _CONNECTIONS:
            create = Load(PODS, "POST", json.dumps(pod("gen-")))
            await self._measure(f"create pods, {connections} connections", create, connections)
        if self._wanted("DELETE"):
            # As many as can go in a second; were they too few, the others would be refused, and the line would say so.
            await fill(self._server, "gone", _DELETED)
            await self._measure("DELETE", Load(f"{PODS}/gone-%d", "DELETE", count=_DELETED), 16, seconds=1)
        self._memory("resident memory at the end")

    def _wanted(self, name: str) -> bool:
        return self._only in name

    def _whole(self) -> str:
        """A pod as a kubelet puts it back with another status; fit for all of them."""
        found = self._server.call("GET", f"{PODS}/web-00000")
        for own in ("resourceVersion", "uid"):
            del found["metadata"][own]
        found["metadata"]["name"] = "web-%d"
        found["status"]["message"] = "%n"
        return json.dumps(found)

    async def _measure(self, name: str, load: Load, connections: int, *, seconds: float = 0) -> None:
        if not self._wanted(name):
            return
        before = self._server.busy_s
        seconds = seconds or self._seconds
        result = await wrk(self._server.url, load, seconds=seconds, connections=connections, client=self._server.client)
        show(name, result, (self._server.busy_s - before) / result.answers)

    def _memory(self, name: str) -> None:
        print(f"{name:<32}{self._server.resident_mib:>10,.1f} MiB", flush=True)


def show(name: str, result: Result, busy_s: float = 0) -> None:
    times = f"p50 {result.p50_s * 1000:8.2f} ms  p99 {result.p99_s * 1000:8.2f} ms"
    busy = f"  {busy_s * 1e6:8.1f} µs of processor each" if busy_s else ""
    refused = f"  refused {result.refused}" if result.refused else ""
    print(f"{name:<32}{result.rate:>10,.0f} /s  {times}{busy}{refused}", flush=True)


async def references(server: Served, folder: Path, seconds: float) -> None:
    bare = bare_inserts_per_s(folder / "bare.db", seconds)
    print(f"{'bare SQLite inserts':<32}{bare:>10,.0f} /s", flush=True)
    any_path = Load("/")
    with uvicorn() as url:
        show("one line under uvicorn", await wrk(url, any_path, seconds=seconds, connections=16))
    with epoll() as url:
        show("bare epoll loop", await wrk(url, any_path, seconds=seconds, connections=16))
    with epoll(server.certificates) as url:
        show(
            "bare epoll loop over TLS",
            await wrk(url, any_path, seconds=seconds, connections=16, client=server.client),
        )
    with epoll(server.certificates, folder / "loop.db") as url:
        create = Load(PODS, "POST", json.dumps(pod("gen-")))
        for connections in _CONNECTIONS:
            result = await wrk(url, create, seconds=seconds, connections=connections, client=server.client)
            show(f"the same, that commits, {connections}", result)


async def measure(seconds: float, pods: int, only: str) -> None:
    with tempfile.TemporaryDirectory() as directory, served(Path(directory)) as server:
        print(f"{'cold start':<32}{server.cold_start_s * 1000:>10,.0f} ms", flush=True)
        await references(server, Path(directory), min(seconds, 2))
        await Bench(server, seconds, pods, only).run()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--only", default="", help="measure only lines that hold this word")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 1
    asyncio.run(measure(arguments.seconds, arguments.pods, arguments.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
