"""What the proxy costs when there is nothing to do: 1,000 services from a file, real rules, no client.

    python -m bench.proxy_idle [SECONDS]

Root, in a network namespace of its own. All its threads and the programs it ran are counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from bench.proxy_site import namespace
from bench.proxy_ways import config
from netproxy import main as netproxy

SERVICES = 1_000
SETTLED_S = 5.0


def idle(seconds: float) -> None:
    """Measure in a namespace of its own; prints its own line."""
    with namespace("idle") as netns, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "services.json")
        path.write_text(json.dumps({"kind": "List", "items": [one for n in range(SERVICES) for one in objects(n)]}))
        command = ["ip", "netns", "exec", netns, sys.executable, "-m", "bench.proxy_idle", "serve", folder]
        with subprocess.Popen(command) as process:
            try:
                while not Path(folder, "state", "state.json").exists():
                    time.sleep(0.1)
                time.sleep(SETTLED_S)
                before = cpu_s(process.pid)
                time.sleep(seconds)
                used = cpu_s(process.pid) - before
            finally:
                process.kill()
        share = used / seconds * 100
        print(f"idle with {SERVICES} services: {used * 1000:.0f} ms of processor in {seconds:.0f} s, {share:.2f} %")


def objects(number: int) -> list[dict[str, object]]:
    """One service and its slice."""
    name = f"svc-{number}"
    meta = {"name": name, "namespace": "bench"}
    ports = [{"port": 80, "protocol": "TCP"}]
    service = {"clusterIP": f"10.96.{number // 250}.{number % 250 + 1}", "ports": ports}
    return [
        {"kind": "Service", "apiVersion": "v1", "metadata": meta, "spec": service},
        {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {**meta, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [f"10.244.{number // 250}.{number % 250 + 1}"]}],
        },
    ]


def cpu_s(pid: int) -> float:
    """Processor time of a process and of the programs it ran, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        _folder = Path(sys.argv[2])
        _settings = replace(config(_folder), services=_folder / "services.json", healthz_port=0, node_port_range="")
        netproxy.run(_settings, threading.Event())
    else:
        idle(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
