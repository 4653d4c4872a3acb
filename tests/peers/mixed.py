"""A cluster whose parts are ours or Kubernetes' own, each a process; its settings are those of the tests' clusters.

`Cluster` gives the ports, names and folders, and removes what the parts leave on the host with the real `uninstall`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.cluster import Settings, complete, load
from cli.derive import told
from cli.directories import claim_all
from cli.flags import add_flags
from cli.install import prepare
from cli.settings import settings_of, to_yaml
from tests.e2e.clusters import ROOT, Cluster, clean_environment
from tests.store.etcd_members import Members

STOP_LIMIT_S = 30.0
MANIFESTS = ROOT / "examples/kubernetes-parts"
LOG_LINES = 40


def folder() -> Path:
    """Where scripts/peers builds Kubernetes' programs."""
    told_path = subprocess.run([ROOT / "scripts/peers", "--where"], capture_output=True, text=True, check=True).stdout
    return Path(told_path.strip()) / "bin"


class Mixed:
    """The parts that run."""

    def __init__(self, cluster: Cluster, peers: Path) -> None:
        self.cluster = cluster
        self.peers = peers
        self.settings = _settings(cluster)
        self._logs = cluster.folder / "logs"
        self._logs.mkdir()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd: Members | None = None
        claim_all(self.settings)
        prepare(self.settings)

    def ours(self, name: str, **changed: Any) -> None:
        """Start a component of ours with what it is told in a whole cluster."""
        values = told(self.settings)[name] | changed
        flags = [_flag(key, value) for key, value in values.items() if value not in (None, ())]
        self._start(name, [sys.executable, "-m", "cli.steersman", name, *flags])

    def theirs(self, name: str, **changed: Any) -> None:
        """Start a program of Kubernetes for the same cluster."""
        values = _THEIRS[name](self) | changed
        self._start(name, [str(self.peers / name), *(_flag(key, value) for key, value in values.items())])

    def client_go(self, *arguments: str, content_type: str = "protobuf") -> list[str]:
        """The command that does something with Kubernetes' client library."""
        namespace, *what = arguments
        return [str(self.peers / "client-go"), str(self.cluster.kubeconfig), content_type, namespace, *what]

    def stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_LIMIT_S)

    def kill(self, name: str) -> None:
        """As the kernel ends it: without a word."""
        process = self._running.pop(name)
        process.kill()
        process.wait(STOP_LIMIT_S)

    def close(self) -> None:
        """Everything ends, the last started first, and what it left on the host is removed."""
        try:
            for name in reversed(list(self._running)):
                self.stop(name)
        finally:
            if self._etcd is not None:
                self._etcd.stop()
            self.cluster.remove()

    def etcd(self) -> Members:
        """An etcd of this cluster's own, started when it is first asked for."""
        if self._etcd is None:
            self._etcd = Members(self.cluster.folder / "etcd")
            self._etcd.start()
        return self._etcd

    def log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def ends_of_logs(self) -> str:
        """The last lines of each part's log, for the report of a failed test."""
        names = sorted(path.stem for path in self._logs.glob("*.log"))
        return "\n".join("\n".join([f"--- {name}", *self.log(name).splitlines()[-LOG_LINES:]]) for name in names)

    def _start(self, name: str, command: list[str]) -> None:
        assert name not in self._running
        with (self._logs / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )


def _settings(cluster: Cluster) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser, settings_of(Settings), env_prefix="STEERSMAN_CLUSTER_")
    loaded, _ = load(parser.parse_args(cluster.flags()), environ={})
    return complete(loaded)


def _flag(key: str, value: Any) -> str:
    plain = to_yaml(value)
    if isinstance(plain, list):
        plain = ",".join(map(str, plain))
    if isinstance(plain, bool):
        plain = str(plain).lower()
    return f"--{key.replace('_', '-')}={plain}"


def _apiserver(mixed: Mixed) -> dict[str, Any]:
    settings, pki = mixed.settings, mixed.settings.pki
    return {
        "etcd_servers": ",".join(mixed.etcd().endpoints),
        "bind_address": settings.bind_address,
        "secure_port": settings.apiserver_port,
        "advertise_address": settings.advertise_address,
        "cert_dir": mixed.cluster.folder / "never-used",
        "tls_cert_file": pki / "apiserver.crt",
        "tls_private_key_file": pki / "apiserver.key",
        "client_ca_file": pki / "ca.crt",
        "kubelet_certificate_authority": pki / "ca.crt",
        "kubelet_client_certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet_client_key": pki / "apiserver-kubelet-client.key",
        "kubelet_preferred_address_types": "InternalIP",
        "service_account_issuer": f"https://kubernetes.default.svc.{settings.cluster_domain}",
        "service_account_signing_key_file": pki / "sa.key",
        "service_account_key_file": pki / "sa.pub",
        "authorization_mode": "Node,RBAC",
        "enable_admission_plugins": "NodeRestriction",
        "service_cluster_ip_range": settings.service_cidr,
        "service_node_port_range": settings.node_port_range,
        "allow_privileged": True,
        # The default since 1.21; before it, a pod waits for a secret with a token that Kubernetes' controllers make.
        "feature_gates": "BoundServiceAccountTokenVolume=true",
    }


def _controller_manager(mixed: Mixed) -> dict[str, Any]:
    settings = mixed.settings
    return {
        "kubeconfig": settings.kubeconfig("controller-manager"),
        "port": 0,
        "secure_port": 0,
        "root_ca_file": settings.pki / "ca.crt",
        "service_account_private_key_file": settings.pki / "sa.key",
        "allocate_node_cidrs": True,
        "cluster_cidr": settings.pod_cidr,
        "node_cidr_mask_size": 24,
        "node_monitor_grace_period": "30m0s",  # nobody beats for the nodes of paper
        "service_cluster_ip_range": settings.service_cidr,
    }


def _scheduler(mixed: Mixed) -> dict[str, Any]:
    return {"kubeconfig": mixed.settings.kubeconfig("scheduler"), "port": 0, "secure_port": 0}


_THEIRS: dict[str, Callable[[Mixed], dict[str, Any]]] = {
    "kube-apiserver": _apiserver,
    "kube-controller-manager": _controller_manager,
    "kube-scheduler": _scheduler,
}
