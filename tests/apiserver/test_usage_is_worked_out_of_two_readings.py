"""From an agent's counters to what is used: rates over two readings, or since the start, or nothing."""

from master.apiserver.node_usage import NODE, Key, Reading, parse, usage_of
from master.apiserver.operations.usage import duration

APP: Key = ("default", "web", "app")


def reading(at_s: float, cpu_s: float, *, started_s: float | None = None, memory: int = 2**20) -> Reading:
    labels = '{container="app",namespace="default",pod="web"}'
    text = (
        f"# HELP what nobody reads\nnode_cpu_usage_seconds_total {cpu_s * 2} {at_s * 1000:.0f}\n"
        f"node_memory_working_set_bytes {memory * 2}\nscrape_error 0\n"
        f'container_cpu_usage_seconds_total{{container="",namespace="default",pod="web"}} 99 1\n'
        f"container_cpu_usage_seconds_total{labels} {cpu_s} {at_s * 1000:.0f}\n"
        f"container_memory_working_set_bytes{labels} {memory:e}\nnonsense\nx{{y=}} z\n"
    )
    if started_s is not None:
        text += f"container_start_time_seconds{labels} {started_s}\n"
    return parse(text, taken_s=0, now_s=at_s)


def test_a_rate_is_the_difference_of_two_readings() -> None:
    usage = usage_of(APP, reading(1000, 5), reading(1010, 10))
    assert usage is not None
    assert (usage.cpu_cores, usage.window_s, usage.memory_bytes, usage.time_s) == (0.5, 10, 2**20, 1010)
    node = usage_of(NODE, reading(1000, 5), reading(1010, 10))
    assert node is not None
    assert (node.cpu_cores, node.memory_bytes) == (1.0, 2**21)


def test_a_container_that_is_new_or_was_restarted_is_measured_since_its_start() -> None:
    first = usage_of(APP, None, reading(1010, 6, started_s=998))
    assert first is not None
    assert (first.cpu_cores, first.window_s) == (0.5, 12)
    again = usage_of(APP, reading(996, 50, started_s=10), reading(1010, 5, started_s=1000))
    assert again is not None
    assert (again.cpu_cores, again.window_s) == (0.5, 10)
    busy = usage_of(APP, reading(996, 1, started_s=10), reading(1010, 15, started_s=1000))
    assert busy is not None
    assert busy.cpu_cores == 1.5


def test_what_starting_cost_is_not_told_as_use() -> None:
    assert usage_of(APP, None, reading(1010, 1, started_s=1008)) is None
    assert usage_of(APP, reading(1000, 50, started_s=10), reading(1010, 1, started_s=1001)) is None


def test_what_is_not_known_is_not_guessed() -> None:
    assert usage_of(APP, None, reading(1010, 2)) is None
    assert usage_of(APP, reading(1000, 50), reading(1010, 1)) is None
    assert usage_of(APP, reading(1010, 1), reading(1010, 1)) is None
    assert usage_of(("default", "web", "absent"), reading(1000, 1), reading(1010, 2)) is None
    assert usage_of(NODE, None, parse("", taken_s=0, now_s=0)) is None


def test_windows_are_written_as_go_writes_them() -> None:
    assert [duration(value) for value in (0.5, 1.2344, 15, 60, 75.5, 3600, 7261)] == [
        "0.5s",
        "1.234s",
        "15s",
        "1m0s",
        "1m15.5s",
        "1h0m0s",
        "2h1m1s",
    ]
