"""A host that has joined a cluster: its own Docker daemon, agent, netproxy and clusterdns, run by the real command."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from master import pki
from tests.e2e.clusters import ROOT, Cluster, clean_environment
from tests.e2e.private_docker import PrivateDocker
from tests.hosts.namespaces import BALANCER, Host

_CA_FILES = ("ca.crt", "ca.key", "sa.key", "sa.pub")


@dataclass
class Member:
    """The node side of a cluster whose master is elsewhere. Ports and names are the cluster's, the host is its own."""

    cluster: Cluster
    server: str
    host: Host
    docker: PrivateDocker
    folder: Path
    _parts: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "etc"

    def start(self) -> None:
        self._make_certificates()
        cluster, slot = self.cluster, self.cluster.slot
        common = {"node-name": self.host.node}
        self._run("agent", {
            **common, "name": slot.name, "kubeconfig": self.config / "agent.kubeconfig", "node-ip": self.host.address,
            "docker-host": self.docker.host, "data-dir": self.folder / "agent", "bridge": slot.bridge,
            "cluster-dns": cluster.dns_address, "port": cluster.agent_port,
            "tls-cert-file": self.config / "pki/agent.crt", "tls-private-key-file": self.config / "pki/agent.key",
            "client-ca-file": self.config / "pki/ca.crt", "container-log-dir": self.folder / "containers",
            "pod-log-dir": self.folder / "pods",
        })  # fmt: skip
        self._run("netproxy", {
            **common, "kubeconfig": self.config / "netproxy.kubeconfig", "healthz-port": cluster.netproxy_port,
            "cluster-cidr": f"10.150.{slot.number}.0/24", "chain-prefix": f"E2E{slot.number}",
            "state-file": self.folder / "netproxy.json", "load-balancer-pool": BALANCER,
        })  # fmt: skip
        self._run("dns", {
            "kubeconfig": self.config / "dns.kubeconfig", "listen-address": cluster.dns_address,
            "interface": slot.dns_interface, "state-file": self.folder / "dns.json",
        })  # fmt: skip

    def _make_certificates(self) -> None:
        """With the cluster's own CA, as whoever lets a host join would make them."""
        private = self.config / "pki"
        private.mkdir(parents=True, mode=0o700)
        for name in _CA_FILES:
            shutil.copy(self.cluster.root / "etc/steersman/pki" / name, private / name)
        node = self.host.node
        serving = pki.agent_identity(node_name=node, host_name=node, addresses=(self.host.address,))
        pki.ensure(self.config, [serving, *pki.standard_identities(node_name=node)], server=self.server)

    def _run(self, component: str, flags: dict[str, object]) -> None:
        command = [*self.host.prefix, sys.executable, "-m", "cli.steersman", component]
        command += [f"--{key}={value}" for key, value in flags.items()]
        with (self.folder / f"{component}.log").open("ab") as log:
            self._parts.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )

    def stop(self) -> None:
        for part in self._parts:
            part.send_signal(signal.SIGTERM)
        for part in self._parts:
            try:
                part.wait(20)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait(10)
        self._parts.clear()
        # The volumes in memory of pods that nobody ends any more.
        for mount in psutil.disk_partitions(all=True):
            if mount.mountpoint.startswith(f"{self.folder}/"):
                subprocess.run(["umount", mount.mountpoint], check=True)

    def logs(self) -> str:
        """The ends of what its parts said, for the report of a failed test."""
        return "\n".join(f"--- {path}\n" + path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))
