"""The agent's port, as the master and others come to it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from agent.main import Agent
from tests.agent.cluster import Cluster


@contextmanager
def client(cluster: Cluster, certificate: tuple[object, object] | None) -> Iterator[urllib3.PoolManager]:
    context = ssl.create_default_context(cafile=str(cluster.authority.ca_file))
    if certificate is not None:
        context.load_cert_chain(str(certificate[0]), str(certificate[1]))
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        yield pool


def master(cluster: Cluster) -> tuple[object, object]:
    return cluster.authority.issue("kube-apiserver-kubelet-client", groups=("system:masters",))


def url(agent: Agent, path: str) -> str:
    return f"https://127.0.0.1:{agent.server.port}{path}"
