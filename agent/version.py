"""Which Kubernetes the agent behaves like, and which Steersman it is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

KUBERNETES_VERSION = "v1.32.0"


@cache
def steersman_version() -> str:
    """Version of the installed package; 0.0.0 when it runs from a tree that was never installed."""
    try:
        return version("steersman")
    except PackageNotFoundError:
        return "0.0.0"


def kubelet_version() -> str:
    """As in ``kubectl get nodes``: v1.32.0+steersman.0.1.0."""
    return f"{KUBERNETES_VERSION}+steersman.{steersman_version()}"
