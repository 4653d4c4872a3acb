"""Creates, reads, lists, patches and deletes a second of a whole apiserver, next to bare SQLite in the same run.

    apt-get install wrk
    python -m bench.apiserver [--seconds 3] [--pods 5000]

The server runs in this process on a durable store (synchronous FULL), wrk in its own: on two cores each has one. The
plain port is used, as wrk has no client certificate; authentication, authorization, defaulting and validation are done
as for any request, and what TLS costs is told by bench.apiserver_http. The yardstick for writes is a loop that inserts
one row a transaction with the same settings: what a store without group commit could reach at best.
"""

import argparse
import asyncio
import json
import re
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.store import bare_inserts_per_s
from master.apiserver.config import Config
from master.apiserver.main import ensure_certificates
from master.apiserver.server import Apiserver

_PODS = "/api/v1/namespaces/default/pods"
_CONNECTIONS = (1, 16, 64)
_LUA = """
wrk.method = "{method}"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "{media}"
"""
_CYCLE = """
wrk.method = "{method}"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "{media}"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, string.format("{path}", n % {count}), nil, string.format(wrk.body, n))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends."""

    path: str
    method: str = "GET"
    body: str = ""
    media: str = "application/json"
    count: int = 0
    """When above 0, the path has a %d that goes round so many numbers, and the body one that grows."""

    @property
    def script(self) -> str:
        return (_CYCLE if self.count else _LUA).format(
            method=self.method, body=self.body, media=self.media, path=self.path, count=self.count
        )


@dataclass(frozen=True, slots=True)
class Result:
    """Requests a second, and latencies as wrk prints them."""

    rate: float
    p50: str
    p99: str
    refused: int


def pod(name: str) -> dict[str, Any]:
    """A pod of about 1.4 KB, as a controller makes it."""
    container = {
        "name": "php-redis",
        "image": "example.com/guestbook/frontend:v4",
        "env": [{"name": "GET_HOSTS_FROM", "value": "dns"}] + [{"name": f"V{n}", "value": "x" * 20} for n in range(6)],
        "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    }
    named = {"name": name} if not name.endswith("-") else {"generateName": name}
    labels = {"app": "guestbook", "tier": "frontend", "shard": name.rpartition("-")[2][-2:] or "00"}
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "frontend", "uid": "0" * 36}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [container]},
    }


async def wrk(port: int, load: Load, *, seconds: float, connections: int) -> Result:
    """One run of wrk; raises RuntimeError when it says nothing of use."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(load.script)
        script.flush()
        path = load.path if not load.count else "/"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "-s", script.name]
        process = await asyncio.create_subprocess_exec(
            *command, f"http://127.0.0.1:{port}{path}", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), seconds + 30)
    text = output.decode()
    rate, p50, p99 = (re.search(form, text) for form in (r"Requests/sec:\s+([\d.]+)", r"50%\s+(\S+)", r"99%\s+(\S+)"))
    if rate is None or p50 is None or p99 is None:
        raise RuntimeError(f"wrk printed no result: {text}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Result(float(rate[1]), p50[1], p99[1], int(refused[1]) if refused else 0)


async def _fill(server: Apiserver, count: int) -> float:
    """Pods named web-00000 and so on; returns creates a second, all asked for at once."""
    start = time.perf_counter()
    reader_writers = [await asyncio.open_connection("127.0.0.1", server.plain_port) for _ in range(32)]

    async def write(number: int) -> None:
        reader, writer = reader_writers[number]
        for index in range(number, count, 32):
            body = json.dumps(pod(f"web-{index:05}")).encode()
            headers = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            writer.write(f"POST {_PODS} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            await reader.readexactly(int(length[1]) if length else 0)
            if b" 201 " not in answer.partition(b"\r\n")[0]:
                raise RuntimeError(f"not created: {answer!r}")
        writer.close()

    await asyncio.gather(*(write(number) for number in range(32)))
    return count / (time.perf_counter() - start)


def _show(name: str, result: Result, bare: float) -> None:
    ratio = f"{result.rate / bare:>7.2f} x bare" if bare else ""
    refused = f"  refused {result.refused}" if result.refused else ""
    print(f"{name:<32}{result.rate:>10,.0f} /s  p50 {result.p50:>8}  p99 {result.p99:>8}{ratio}{refused}", flush=True)


async def measure(seconds: float, pods: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        bare = bare_inserts_per_s(folder / "bare.db", min(seconds, 2))
        print(f"{'bare SQLite inserts':<32}{bare:>10,.0f} /s")
        config = Config(
            bind_address="127.0.0.1",
            secure_port=0,
            insecure_port=_free_port(),
            data_dir=folder / "data",
            config_dir=folder / "etc",
        )
        ensure_certificates(config)
        start = time.perf_counter()
        server = Apiserver(config)
        await server.start()
        print(f"{'cold start':<32}{(time.perf_counter() - start) * 1000:>10,.0f} ms")
        try:
            await _fill(server, pods)
            await _measure_all(server.plain_port, seconds, pods, bare)
        finally:
            await server.stop()


async def _measure_all(port: int, seconds: float, pods: int, bare: float) -> None:
    one = f"{_PODS}/web-00000"
    status = '{"status":{"phase":"Running","message":"%d"}}'
    loads = {
        "GET one": Load(one),
        f"LIST {pods}": Load(f"{_PODS}?resourceVersion=0"),
        "LIST by label, 1 %": Load(f"{_PODS}?labelSelector=shard%3D07&resourceVersion=0"),
        "PATCH status": Load(
            f"{_PODS}/web-%05d/status",
            "PATCH",
            status,
            "application/merge-patch+json",
            count=pods,
        ),
    }
    for name, load in loads.items():
        _show(name, await wrk(port, load, seconds=seconds, connections=1 if "LIST" in name else 16), 0)
    create = Load(_PODS, "POST", json.dumps(pod("gen-")))
    for connections in _CONNECTIONS:
        result = await wrk(port, create, seconds=seconds, connections=connections)
        _show(f"create pods, {connections} connections", result, bare)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pods", type=int, default=5000)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk", file=sys.stderr)
        return 1
    asyncio.run(measure(arguments.seconds, arguments.pods))
    return 0


if __name__ == "__main__":
    sys.exit(main())
