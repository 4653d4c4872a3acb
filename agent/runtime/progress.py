"""How far a pull is, from what Docker tells of each layer; told seldom, and ever more seldom. Not thread-safe."""

from collections.abc import Callable, Mapping
from typing import Any

FIRST_S = 10.0
_LAST_S = 160.0
_WHOLE = ("Download complete", "Verifying Checksum", "Pull complete", "Extracting")


class Progress:
    """``tell`` hears a phrase such as "12.5MiB of 48.0MiB". ``clock`` is monotonic."""

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float], *, first_s: float | None = None
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._pause_s = FIRST_S if first_s is None else first_s
        self._next_s = clock() + self._pause_s
        self._layers: dict[str, tuple[int, int]] = {}

    def note(self, line: Mapping[str, Any]) -> None:
        """A line of Docker's answer: id (of a layer), status (a word), progressDetail (current and total, in bytes)."""
        layer, status, detail = str(line.get("id", "")), line.get("status"), line.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._layers[layer] = int(detail.get("current", 0)), int(detail["total"])
        elif status in _WHOLE and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        if self._layers and self._clock() >= self._next_s:
            self._pause_s = min(2 * self._pause_s, _LAST_S)
            self._next_s = self._clock() + self._pause_s
            self._tell(self.phrase)

    @property
    def phrase(self) -> str:
        done, whole = (sum(amounts) / 2**20 for amounts in zip(*self._layers.values(), strict=True))
        return f"{done:.1f}MiB of {whole:.1f}MiB"
