"""What the flows of one service port share: the balancer, the counters, the loop and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from netproxy.balancer import Balancer
from netproxy.dataplane.counters import Counters
from netproxy.dataplane.gate import Gate
from netproxy.dataplane.guise import Guise
from netproxy.dataplane.loop import Loop
from netproxy.dataplane.pipes import Pipes
from netproxy.dataplane.waits import Waits


@dataclass(slots=True, kw_only=True, eq=False)
class Backends:
    """One service port as the loop's thread sees it. Flows keep it until they end, also when the service is gone."""

    loop: Loop
    gate: Gate
    pipes: Pipes
    guise: Guise
    waits: Waits
    balancer: Balancer = field(default_factory=Balancer)
    counters: Counters = field(default_factory=Counters)
    proxy_protocol: bool = False
    """Whether endpoints are told who the client is; only the loop's thread changes it."""
    unasked: int = 0
    """So many of the next clients are led on without waiting for their first words: an earlier one had none."""
