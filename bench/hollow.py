"""Hollow nodes: what agents say to the master, from one process, without containers.

Each node registers over TLS, renews its lease every ten seconds, watches its own pods, reports each as running with an
address, and removes each that is deleted; as an agent it has a connection for its watch and one for its calls. Run by
``bench.hollow_nodes``; prints ``ready`` when all are registered, and ends when its input does.
"""

import argparse
import asyncio
import asyncio.sslproto
import json
import random
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

_BEAT_S = 10.0
_JOINING = 50
# Each connection has a buffer of this size, of 256 KiB otherwise: with two for each node that is most of the memory.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024  # type: ignore[attr-defined]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_STRATEGIC = "application/strategic-merge-patch+json"
_AMOUNTS = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None


class Spec(msgspec.Struct, rename="camel"):
    node_name: str = ""


class Status(msgspec.Struct, rename="camel"):
    phase: str = ""


class Pod(msgspec.Struct):
    """What a node and a measurement need to know of one."""

    metadata: Meta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class Change(msgspec.Struct):
    type: str
    object: Pod


class PodList(msgspec.Struct):
    metadata: Meta
    items: list[Pod]


_change = msgspec.json.Decoder(Change)
_list = msgspec.json.Decoder(PodList)


class Line:
    """One connection; one request at a time."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context
        self._lock = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is not None and self._reader.at_eof():
            # The server ends what was idle for long.
            self.close()
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, limit=2**24
            )
        return self._reader, self._writer

    async def _send(self, method: str, path: str, body: Any, media: str) -> tuple[int, dict[bytes, bytes]]:
        reader, writer = await self._open()
        data = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media}\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        named = (line.partition(b": ") for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, _, value in named}

    async def call(self, method: str, path: str, body: Any = None, media: str = "application/json") -> bytes:
        """Raises RuntimeError for a refusal."""
        async with self._lock:
            status, headers = await self._send(method, path, body, media)
            assert self._reader is not None
            if headers.get(b"transfer-encoding") == b"chunked":
                answer = b"".join([chunk async for chunk in self._chunks()])
            else:
                answer = await self._reader.readexactly(int(headers.get(b"content-length", b"0")))
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:200]!r}")
        return answer

    async def watch(self, path: str) -> Any:
        """Yields lines until the server ends it."""
        status, _ = await self._send("GET", path, None, "application/json")
        if status != 200:
            raise RuntimeError(f"watch {path}: {status}")
        pending = b""
        async for chunk in self._chunks():
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield line

    async def _chunks(self) -> Any:
        assert self._reader is not None
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def pods(line: Line, selector: str) -> Any:
    """Every pod there is and every change of one, for ever; begins with ("SYNCED", None) after the first list."""
    while True:
        found = _list.decode(await line.call("GET", f"/api/v1/pods?{selector}"))
        for pod in found.items:
            yield "ADDED", pod
        yield "SYNCED", None
        version = found.metadata.resource_version
        try:
            async for text in line.watch(f"/api/v1/pods?{selector}&watch=1&resourceVersion={version}"):
                change = _change.decode(text)
                if change.type == "ERROR":
                    break
                yield change.type, change.object
        except (OSError, asyncio.IncompleteReadError):
            pass
        line.close()


class Node:
    """One hollow node."""

    def __init__(self, number: int, port: int, context: ssl.SSLContext) -> None:
        self.name = f"hollow-{number:05}"
        self._number = number
        self._calls, self._watch = Line(port, context), Line(port, context)
        self._addresses = 1
        self._told: set[str] = set()
        self._lease: dict[str, Any] = {}

    async def join(self) -> None:
        labels = {"kubernetes.io/hostname": self.name, "topology.kubernetes.io/zone": f"z{self._number % 3}"}
        await self._calls.call("POST", "/api/v1/nodes", {"metadata": {"name": self.name, "labels": labels}})
        moment = _now()
        kinds = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
        conditions = [
            {"type": kind, "status": status, "lastHeartbeatTime": moment, "lastTransitionTime": moment}
            for kind, status in kinds.items()
        ]
        status = {"conditions": conditions, "capacity": _AMOUNTS, "allocatable": _AMOUNTS}
        await self._calls.call("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, _STRATEGIC)
        # What the node controller does with a node that is ready; not all measurements have one.
        await self._calls.call("PATCH", f"/api/v1/nodes/{self.name}", {"spec": {"taints": None}}, _STRATEGIC)
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": _now_micro()}
        lease = {"metadata": {"name": self.name, "namespace": "kube-node-lease"}, "spec": spec}
        self._lease = json.loads(await self._calls.call("POST", LEASES, lease))

    async def beat(self) -> None:
        await asyncio.sleep(random.uniform(0, _BEAT_S))
        while True:
            self._lease["spec"]["renewTime"] = _now_micro()
            self._lease = json.loads(await self._calls.call("PUT", f"{LEASES}/{self.name}", self._lease))
            await asyncio.sleep(_BEAT_S)

    async def follow(self) -> None:
        async for kind, pod in pods(self._watch, f"fieldSelector=spec.nodeName={self.name}"):
            if kind in ("ADDED", "MODIFIED"):
                await self._keep(pod)
            elif kind == "DELETED":
                self._told.discard(pod.metadata.uid)

    async def _keep(self, pod: Pod) -> None:
        meta = pod.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"
        try:
            if meta.deletion_timestamp is not None:
                guard = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta.uid}}
                await self._calls.call("DELETE", path, guard)
            elif pod.status.phase != "Running" and meta.uid not in self._told:
                self._told.add(meta.uid)
                await self._calls.call("PATCH", f"{path}/status", self._running(meta.uid), _STRATEGIC)
        except RuntimeError as error:
            if ": 404 " not in str(error) and ": 409 " not in str(error):
                raise

    def _running(self, uid: str) -> dict[str, Any]:
        self._addresses += 1
        address = f"10.{self._number >> 8}.{self._number & 255}.{self._addresses % 250 + 2}"
        moment = _now()
        kinds = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": moment} for kind in kinds]
        state = {"running": {"startedAt": moment}}
        container = {"name": "c", "image": "web:1", "ready": True, "restartCount": 0, "state": state, "imageID": "i"}
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.0.2.1"}
        status |= {"conditions": conditions, "containerStatuses": [container], "startTime": moment}
        return {"metadata": {"uid": uid}, "status": status}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now_micro() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def context_of(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    context.load_cert_chain(certificate, key)
    return context


async def live(count: int, port: int, context: ssl.SSLContext, *, still: bool) -> None:
    """Until the input ends. ``still``: once registered they do nothing."""
    nodes = [Node(number, port, context) for number in range(count)]
    tasks: list[asyncio.Task[None]] = []
    for first in range(0, count, _JOINING):
        group = nodes[first : first + _JOINING]
        await asyncio.gather(*(node.join() for node in group))
        if not still:
            tasks += [asyncio.ensure_future(act()) for node in group for act in (node.beat, node.follow)]
        await asyncio.sleep(0)
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    done, _ = await asyncio.wait({ended, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for one in done - {ended}:
        one.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--still", action="store_true")
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    context = context_of(options.ca, options.certificate, options.key)
    asyncio.run(live(options.nodes, options.port, context, still=options.still))


if __name__ == "__main__":
    main()
