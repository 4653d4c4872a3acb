"""The server of tests/apiserver_clients."""

import sys
from pathlib import Path

# The folders are no packages (tests are imported by path).
sys.path.insert(0, str(Path(__file__).parents[1] / "apiserver"))
sys.path.insert(0, str(Path(__file__).parents[1] / "apiserver_clients"))

from served import admin, certificates, kubeconfig, namespace, server

__all__ = ["admin", "certificates", "kubeconfig", "namespace", "server"]
