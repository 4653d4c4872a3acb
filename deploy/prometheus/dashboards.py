"""Grafana's dashboards, written from the few lines below: `python deploy/prometheus/dashboards.py --write`.

A panel is a title, queries and a unit; where it stands follows from its place in the list. The committed JSON is what
this file makes (a test says so), so a change is made here.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).resolve().parent / "dashboards"
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """PromQL, and how a line is named: `{{node}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`unit` is Grafana's word. `stat`: one big figure instead of lines."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    stat: bool = False
    stack: bool = False


@dataclass(frozen=True)
class Choice:
    """A variable of the dashboard: the values of a label."""

    name: str
    query: str


@dataclass(frozen=True)
class Dashboard:
    """`uid` names the file too."""

    uid: str
    title: str
    panels: Sequence[Panel]
    choices: Sequence[Choice] = ()


_NODE = Choice("node", 'label_values(up{job="cadvisor"}, node)')
_NAMESPACE = Choice("namespace", 'label_values(container_memory_working_set_bytes{container!=""}, namespace)')
_POD = Choice("pod", 'label_values(container_memory_working_set_bytes{namespace=~"$namespace"}, pod)')
_OWN = 'container!="",container!="POD",namespace=~"$namespace",pod=~"$pod"'
_SANDBOX = 'namespace=~"$namespace",pod=~"$pod",pod!=""'
_RATE = "[$__rate_interval]"


def _by(what: str, expression: str) -> Query:
    legend = "/".join(f"{{{{{label.strip()}}}}}" for label in what.split(","))
    return Query(f"sum by ({what}) ({expression})", legend)


CLUSTER = Dashboard(
    "steersman-cluster",
    "Steersman / Cluster",
    (
        Panel("Nodes that answer", [Query('sum(up{job="kubelet",metrics_path="/metrics"})')], stat=True),
        Panel("Pods", [Query("sum(kubelet_running_pods)")], stat=True),
        Panel("Targets that do not answer", [Query("sum(up == bool 0)")], stat=True),
        Panel(
            "CPU used, of all",
            [Query(f'sum(rate(container_cpu_usage_seconds_total{{id="/"}}{_RATE})) / sum(machine_cpu_cores)', "used")],
            "percentunit",
        ),
        Panel(
            "Memory used, of all",
            [Query('sum(container_memory_working_set_bytes{id="/"}) / sum(machine_memory_bytes)', "used")],
            "percentunit",
        ),
        Panel(
            "Disks, of all",
            [Query('sum(container_fs_usage_bytes{id="/"}) / sum(container_fs_limit_bytes{id="/"})', "used")],
            "percentunit",
        ),
        Panel(
            "CPU by namespace",
            [_by("namespace", f'rate(container_cpu_usage_seconds_total{{container!="",namespace!=""}}{_RATE})')],
            "cores",
            stack=True,
        ),
        Panel(
            "Memory by namespace",
            [_by("namespace", 'container_memory_working_set_bytes{container!="",namespace!=""}')],
            "bytes",
            stack=True,
        ),
        Panel("Containers by state", [_by("container_state", "kubelet_running_containers")]),
    ),
)

NODES = Dashboard(
    "steersman-nodes",
    "Steersman / Nodes",
    (
        Panel("CPU", [_by("node", f'rate(container_cpu_usage_seconds_total{{id="/",node=~"$node"}}{_RATE})')], "cores"),
        Panel("Memory", [_by("node", 'container_memory_working_set_bytes{id="/",node=~"$node"}')], "bytes"),
        Panel(
            "Disk space used",
            [_by("node, device", 'container_fs_usage_bytes{id="/",node=~"$node"}')],
            "bytes",
        ),
        Panel(
            "Network in",
            [
                _by(
                    "node, interface",
                    f'rate(container_network_receive_bytes_total{{id="/",node=~"$node"}}{_RATE})',
                )
            ],
            "Bps",
        ),
        Panel(
            "Network out",
            [
                _by(
                    "node, interface",
                    f'rate(container_network_transmit_bytes_total{{id="/",node=~"$node"}}{_RATE})',
                )
            ],
            "Bps",
        ),
        Panel("Processes", [_by("node", 'container_processes{id="/",node=~"$node"}')]),
        Panel("Pods", [_by("node", 'kubelet_running_pods{node=~"$node"}')]),
        Panel(
            "Calls to Docker",
            [_by("operation_type", f'rate(kubelet_runtime_operations_total{{node=~"$node"}}{_RATE})')],
            "reqps",
        ),
        Panel(
            "Docker's answers, 99 of 100 within",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, operation_type) "
                    f'(rate(kubelet_runtime_operations_duration_seconds_bucket{{node=~"$node"}}{_RATE})))',
                    "{{operation_type}}",
                )
            ],
            "s",
        ),
    ),
    (_NODE,),
)

PODS = Dashboard(
    "steersman-pods",
    "Steersman / Pods",
    (
        Panel(
            "CPU",
            [_by("pod, container", f"rate(container_cpu_usage_seconds_total{{{_OWN}}}{_RATE})")],
            "cores",
        ),
        Panel("Memory", [_by("pod, container", f"container_memory_working_set_bytes{{{_OWN}}}")], "bytes"),
        Panel(
            "Held back by the CPU limit",
            [
                Query(
                    f"sum by (pod, container) (rate(container_cpu_cfs_throttled_periods_total{{{_OWN}}}{_RATE})) / "
                    f"sum by (pod, container) (rate(container_cpu_cfs_periods_total{{{_OWN}}}{_RATE}))",
                    "{{pod}}/{{container}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Memory, of the limit",
            [
                Query(
                    f"sum by (pod, container) (container_memory_working_set_bytes{{{_OWN}}}) / "
                    f"sum by (pod, container) (container_spec_memory_limit_bytes{{{_OWN}}} > 0)",
                    "{{pod}}/{{container}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Network in",
            [_by("pod", f"rate(container_network_receive_bytes_total{{{_SANDBOX}}}{_RATE})")],
            "Bps",
        ),
        Panel(
            "Network out",
            [_by("pod", f"rate(container_network_transmit_bytes_total{{{_SANDBOX}}}{_RATE})")],
            "Bps",
        ),
        Panel("Written to layer and log", [_by("pod, container", f"container_fs_usage_bytes{{{_OWN}}}")], "bytes"),
        Panel("Threads", [_by("pod, container", f"container_threads{{{_OWN}}}")]),
        Panel(
            "Killed for want of memory",
            [_by("pod, container", f"increase(container_oom_events_total{{{_OWN}}}[5m])")],
        ),
    ),
    (_NAMESPACE, _POD),
)

MASTER = Dashboard(
    "steersman-master",
    "Steersman / Master",
    (
        Panel("Requests", [_by("verb", f"rate(apiserver_request_total{_RATE})")], "reqps", stack=True),
        Panel("Answers by code", [_by("code", f"rate(apiserver_request_total{_RATE})")], "reqps", stack=True),
        Panel(
            "99 of 100 answered within",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, verb) (rate(apiserver_request_sli_duration_seconds_bucket"
                    f'{{verb!~"WATCH|CONNECT"}}{_RATE})))',
                    "{{verb}}",
                )
            ],
            "s",
        ),
        Panel("Objects stored", [Query("topk(10, sum by (resource) (apiserver_storage_objects))", "{{resource}}")]),
        Panel("Watches open", [Query("sum(apiserver_registered_watchers)", "watches")]),
        Panel("Waiting for the controllers", [_by("name", "workqueue_depth")]),
        Panel(
            "Looked at by the controllers",
            [_by("name", f"rate(workqueue_adds_total{_RATE})")],
            "ops",
        ),
        Panel(
            "Decisions of the scheduler",
            [_by("result", f"rate(scheduler_schedule_attempts_total{_RATE})")],
            "ops",
            stack=True,
        ),
        Panel("Pods that wait for a node", [_by("queue", "scheduler_pending_pods")]),
        Panel(
            "99 of 100 pods placed within",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le) "
                    "(rate(scheduler_pod_scheduling_sli_duration_seconds_bucket[10m])))",
                    "placed",
                )
            ],
            "s",
        ),
        Panel("Memory", [Query("process_resident_memory_bytes", "{{job}} {{instance}}")], "bytes"),
        Panel("CPU", [Query(f"rate(process_cpu_seconds_total{_RATE})", "{{job}} {{instance}}")], "cores"),
    ),
)

SERVICES = Dashboard(
    "steersman-services",
    "Steersman / Services",
    (
        Panel(
            "Connections",
            [_by("namespace, service", f'rate(netproxy_connections_total{{node=~"$node"}}{_RATE})')],
            "cps",
        ),
        Panel("Open now", [_by("namespace, service", 'netproxy_active_connections{node=~"$node"}')]),
        Panel(
            "Endpoints that refused",
            [_by("namespace, service", f'rate(netproxy_failed_dials_total{{node=~"$node"}}{_RATE})')],
            "cps",
        ),
        Panel(
            "From visitors",
            [_by("namespace, service", f'rate(netproxy_received_bytes_total{{node=~"$node"}}{_RATE})')],
            "Bps",
        ),
        Panel(
            "To visitors",
            [_by("namespace, service", f'rate(netproxy_sent_bytes_total{{node=~"$node"}}{_RATE})')],
            "Bps",
        ),
        Panel(
            "Rules written within, 99 of 100",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, node) "
                    '(kubeproxy_sync_proxy_rules_duration_seconds_bucket{node=~"$node"}))',
                    "{{node}}",
                )
            ],
            "s",
        ),
        Panel(
            "From a change to rules that follow it, 99 of 100",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, node) "
                    '(kubeproxy_network_programming_duration_seconds_bucket{node=~"$node"}))',
                    "{{node}}",
                )
            ],
            "s",
        ),
        Panel(
            "Questions for names",
            [_by("node, type", f'rate(coredns_dns_requests_total{{node=~"$node"}}{_RATE})')],
            "reqps",
        ),
        Panel(
            "Answers by code",
            [_by("rcode", f'rate(coredns_dns_responses_total{{node=~"$node"}}{_RATE})')],
            "reqps",
        ),
        Panel(
            "Names found within, 99 of 100",
            [
                Query(
                    "histogram_quantile(0.99, sum by (le, node) "
                    f'(rate(coredns_dns_request_duration_seconds_bucket{{node=~"$node"}}{_RATE})))',
                    "{{node}}",
                )
            ],
            "s",
        ),
        Panel(
            "Forwarded answers kept",
            [_by("node, type", 'coredns_cache_entries{node=~"$node"}')],
        ),
    ),
    (_NODE,),
)

ALL = (CLUSTER, NODES, PODS, MASTER, SERVICES)


def document(dashboard: Dashboard) -> dict[str, Any]:
    """As Grafana imports it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["steersman"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), *(_choice(one) for one in dashboard.choices)]},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": choice.query, "refId": choice.name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    custom = {"fillOpacity": 20 if panel.stack else 0, "stacking": {"mode": "normal" if panel.stack else "none"}}
    if not panel.stat:
        defaults["custom"] = custom
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "stat" if panel.stat else "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query.expression, "legendFormat": query.legend or "__auto"}
            for at, query in enumerate(panel.queries)
        ],
    }


def text_of(dashboard: Dashboard) -> str:
    return json.dumps(document(dashboard), indent=2) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the files; otherwise say which are stale")
    options = parser.parse_args()
    stale = []
    for dashboard in ALL:
        path = DIRECTORY / f"{dashboard.uid}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text_of(dashboard):
            stale.append(path.name)
            if options.write:
                path.write_text(text_of(dashboard), encoding="utf-8")
    if stale:
        print(("written: " if options.write else "stale: ") + ", ".join(stale))
    raise SystemExit(bool(stale) and not options.write)


if __name__ == "__main__":
    main()
