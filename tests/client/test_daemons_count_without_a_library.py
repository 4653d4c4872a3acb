"""What a daemon counts is exact, and told in Prometheus' words only when somebody asks."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from client.meters import Meters
from client.showing import show


def told(meters: Meters) -> list[str]:
    registry = CollectorRegistry()
    show(registry, meters)
    return [line for line in generate_latest(registry).decode().splitlines() if "boat" in line]


def test_counts_of_many_threads_add_up() -> None:
    meters = Meters()
    seen = meters.counter("boats", "Boats seen.", ("flag",))
    long = meters.histogram("boat_metres", "Their length.", buckets=(5.0, 10))

    def look(metres: int) -> None:
        for _ in range(1000):
            seen.labels("red").inc()
            long.labels().observe(metres)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(look, (5, 7, 11)))
    assert told(meters) == [
        "# HELP boats_total Boats seen.",
        "# TYPE boats_total counter",
        'boats_total{flag="red"} 3000.0',
        "# HELP boat_metres Their length.",
        "# TYPE boat_metres histogram",
        'boat_metres_bucket{le="5.0"} 1000.0',
        'boat_metres_bucket{le="10.0"} 2000.0',
        'boat_metres_bucket{le="+Inf"} 3000.0',
        "boat_metres_count 3000.0",
        "boat_metres_sum 23000.0",
    ]


def test_a_gauge_tells_what_was_set_or_asks_when_somebody_looks() -> None:
    meters, depth = Meters(), [1]
    gauge = meters.gauge("boat_depth", "Below the keel.", ("boat",))
    gauge.labels("a").set(3)
    gauge.labels("b").set_function(lambda: depth[0])
    depth[0] = 7
    assert told(meters)[2:] == ['boat_depth{boat="a"} 3.0', 'boat_depth{boat="b"} 7.0']


def test_families_without_series_are_not_told_and_wrong_labels_refused() -> None:
    meters = Meters()
    family = meters.counter("boats", "Boats seen.", ("flag",))
    meters.histogram("boat_metres", "Their length.", buckets=(5.0,))
    assert told(meters) == []
    with pytest.raises(ValueError, match="boats has the labels"):
        family.labels("red", "green")


@pytest.mark.parametrize("component", ["controllers", "scheduler"])
def test_a_component_loads_nothing_that_it_need_not(component: str) -> None:
    unwanted = [
        "prometheus_client",
        "logging.handlers",
        "tempfile",
        "http.client",
        "urllib.request",
        "importlib.metadata",
        "ctypes",
        "json",
        "yaml",
    ]
    code = (
        f"import sys, cli.component, master.{component}.main\nprint([one for one in {unwanted} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_monitor_loads_no_part_of_the_api() -> None:
    code = "import sys, cli.component, cadvisor_lite.main\nprint({'msgspec', 'yaml'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
