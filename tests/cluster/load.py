"""Someone who asks all the time, at one host after the other, and counts what failed."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.cluster.in_namespace import entered

PAUSE_S = 0.05
LIMIT_S = 5.0


@dataclass
class Load:
    """Requests to a node port, each on a connection of its own.

    A host that refuses a connection is passed over for the next one, as a balancer does; a request fails when no host
    takes it, or when one that was taken is not answered in time. One that is cut off in the middle is counted apart.
    """

    namespace: str
    addresses: Sequence[str]
    port: int
    path: str = "/"
    limit_s: float = LIMIT_S
    asked: int = 0
    passed_over: int = 0
    failed: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._ask, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)

    def _ask(self) -> None:
        with entered(self.namespace):  # this thread alone
            while not self._stop.wait(PAUSE_S):
                self.asked += 1
                self._one(self.asked)

    def _one(self, number: int) -> None:
        count = len(self.addresses)
        refusals = []
        for step in range(count):
            address = self.addresses[(number + step) % count]
            connection = http.client.HTTPConnection(address, self.port, timeout=self.limit_s)
            try:
                connection.connect()
            except OSError as error:
                refusals.append(f"{address}: {error}")
                self.passed_over += 1
                continue
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(f"{address}: {answer.status}")
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected) as error:
                self.cut.append(f"{address}: {type(error).__name__}: {error}")
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{address}: {type(error).__name__}: {error}")
            finally:
                connection.close()
            return
        self.failed.append("; ".join(refusals))
