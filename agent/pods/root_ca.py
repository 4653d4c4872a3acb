"""The cluster's CA as each namespace has it, which nearly every pod refers to.

It is asked for once a minute for a namespace, not for each pod; while the API is away the last one serves.
"""

import threading
import time
from collections.abc import Callable

from agent.pods.problems import ApiAway
from api.core import ConfigMap

ROOT_CA = "kube-root-ca.crt"
_FRESH_S = 60.0
_MOST = 1000  # namespaces; beyond that they are asked for anew


class RootCa:
    """Thread-safe. ``ask(namespace)`` gives the config map, None when there is none, and raises ApiAway."""

    def __init__(self, ask: Callable[[str], ConfigMap | None]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._held: dict[str, tuple[ConfigMap, float]] = {}

    def of(self, namespace: str) -> ConfigMap | None:
        """Raises ApiAway when it has never been had, ConfigError when the API refuses it."""
        with self._lock:
            held = self._held.get(namespace)
        if held is not None and time.monotonic() - held[1] < _FRESH_S:
            return held[0]
        try:
            found = self._ask(namespace)
        except ApiAway:
            if held is None:
                raise
            found = held[0]
        with self._lock:
            if len(self._held) >= _MOST:
                self._held.clear()
            if found is None:
                self._held.pop(namespace, None)
            else:
                self._held[namespace] = (found, time.monotonic())
        return found
