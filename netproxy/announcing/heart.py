"""A node's heartbeat, in a thread of its own: addresses are renewed also while a master does not answer."""

import logging
import threading
from collections.abc import Callable

from api.errors import ApiError
from client import Unreachable
from client.clock import boot_time
from netproxy.announcing.election import BEAT_S, FENCE_S

log = logging.getLogger(__name__)

_JOIN_S = 7.0


class Heart:
    """Beats while it is told to. ``beat`` renews the lease.

    ``begin_anew`` reads what was missed in a time without, before the beat counts; then ``on_return`` is called.
    """

    def __init__(self, beat: Callable[[], None], begin_anew: Callable[[], None], on_return: Callable[[], None]) -> None:
        self._beat = beat
        self._begin_anew = begin_anew
        self._on_return = on_return
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._failing = False
        self._resting = True
        self.renewed_at = float("-inf")
        """When the last beat that succeeded was begun."""
        self._thread = threading.Thread(target=self._run, name="netproxy-heart", daemon=True)

    def start(self) -> None:
        """Begin; it rests until it is told to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def want(self, wanted: bool) -> None:
        """Whether to beat."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._resting = self._resting or not self._wanted.is_set()
            self._wanted.wait()
            began = boot_time()
            try:
                self._once(began)
            except Exception:  # a door: the heart must not stop for one bad beat
                log.exception("heartbeat failed")
            self._stop.wait(max(BEAT_S - (boot_time() - began), 0.05))

    def _once(self, began: float) -> None:
        """A gap is a time in which it wanted to beat and did not: the master was away, or this process stood still."""
        gap = self._failing or (not self._resting and began - self.renewed_at >= FENCE_S)
        try:
            self._beat()
            if gap:
                self._begin_anew()
        except (ApiError, Unreachable) as error:
            log.log(logging.DEBUG if self._failing else logging.WARNING, "heartbeat not renewed error=%s", error)
            self._failing = True
            return
        if self._failing:
            log.info("heartbeat renewed again")
        returned = gap or self._resting
        self.renewed_at, self._failing, self._resting = began, False, False
        if returned:
            self._on_return()
