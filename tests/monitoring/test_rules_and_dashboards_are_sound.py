"""What can be said of the files in deploy/prometheus without a cluster."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from deploy.prometheus import adapt, dashboards
from tests.monitoring.scrapers import program

DIRECTORY = Path(adapt.__file__).parent
PLACE = adapt.Place(
    api_server="https://10.0.0.1:7443", ca_file="/ca", credentials_file="/token", cadvisor_port=5194, interval="2s"
)
NODES: dict[str, Any] = {
    "items": [
        {
            "metadata": {"name": name},
            "status": {"addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}]},
        }
        for name, ip in (("a", "10.0.0.2"), ("b", "10.0.0.3"))
    ]
}


def configuration() -> dict[str, Any]:
    return dict(yaml.safe_load((DIRECTORY / "prometheus.yml").read_text(encoding="utf-8")))


def rules() -> dict[str, Any]:
    return dict(yaml.safe_load((DIRECTORY / "rules/alerts.yml").read_text(encoding="utf-8")))


def promtool(*arguments: str, cwd: Path = DIRECTORY) -> str:
    done = subprocess.run([program("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    promtool("check", "rules", "rules/alerts.yml")
    promtool("test", "rules", "rules_test.yml")
    tested = {
        one["alertname"]
        for test in yaml.safe_load((DIRECTORY / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
        for one in test["alert_rule_test"]
        if one["exp_alerts"]
    }
    assert tested == {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}


def test_the_configuration_written_out_for_a_scraper_without_discovery_is_valid(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps(NODES))
    for file in ("ca", "token"):
        (tmp_path / file).write_text("x")
    arguments = ["--api-server", "https://10.0.0.1:7443", "--ca-file", str(tmp_path / "ca")]
    arguments += ["--credentials-file", str(tmp_path / "token"), "--nodes", str(nodes), "--for", "7s"]
    subprocess.run([sys.executable, DIRECTORY / "adapt.py", "--into", tmp_path, *arguments], check=True, timeout=60)
    promtool("check", "config", "prometheus.yml", cwd=tmp_path)
    written = yaml.safe_load((tmp_path / "rules/alerts.yml").read_text(encoding="utf-8"))
    assert {rule["for"] for group in written["groups"] for rule in group["rules"] if "for" in rule} == {"7s"}


def test_a_target_written_out_has_the_address_and_labels_that_discovery_gives() -> None:
    document = adapt.without_discovery(adapt.settled(configuration(), PLACE), NODES, PLACE)
    jobs = {job["job_name"]: job["static_configs"] for job in document["scrape_configs"]}
    assert jobs["apiserver"] == [{"targets": ["10.0.0.1:7443"]}]
    assert jobs["cadvisor"][1] == {"targets": ["10.0.0.3:5194"], "labels": {"instance": "b", "node": "b"}}
    assert jobs["kubelet-probes"][0] == {
        "targets": ["10.0.0.1:7443"],
        "labels": {
            "job": "kubelet",
            "instance": "a",
            "node": "a",
            "metrics_path": "/metrics/probes",
            "__metrics_path__": "/api/v1/nodes/a/proxy/metrics/probes",
        },
    }
    assert "kubernetes_sd_configs" not in json.dumps(document)


def test_only_addresses_files_ports_and_times_differ_in_another_place() -> None:
    before, after = configuration(), adapt.settled(configuration(), PLACE)
    assert after["scrape_configs"][0]["kubernetes_sd_configs"][0]["api_server"] == "https://10.0.0.1:7443"
    assert "127.0.0.1:6443" not in json.dumps(after)
    assert "/etc/prometheus" not in json.dumps(after)
    same = adapt.Place(
        api_server="https://127.0.0.1:6443",
        ca_file="/etc/prometheus/steersman/ca.crt",
        credentials_file="/etc/prometheus/steersman/token",
    )
    assert adapt.settled(before, same) == before


@pytest.mark.parametrize("dashboard", dashboards.ALL, ids=lambda one: one.uid)
def test_the_committed_dashboards_are_what_the_code_makes(dashboard: dashboards.Dashboard) -> None:
    path = dashboards.DIRECTORY / f"{dashboard.uid}.json"
    assert path.read_text(encoding="utf-8") == dashboards.text_of(dashboard), (
        "run deploy/prometheus/dashboards.py --write"
    )
    panels = dashboards.document(dashboard)["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("dashboard", dashboards.ALL, ids=lambda one: one.uid)
def test_grafana_knows_every_field_of_a_dashboard(dashboard: dashboards.Dashboard) -> None:
    """By the types that Grafana publishes of its documents: what they do not know does not come back from them."""
    register_default_plugins()
    written = json.loads(dashboards.text_of(dashboard))
    assert _lost(written, _read_by_grafana(written)) == []
    written["panels"][0]["gridPos"]["hieght"] = 3
    assert _lost(written, _read_by_grafana(written)) == [".panels[0].gridPos.hieght"]


def _read_by_grafana(document: dict[str, Any]) -> Any:
    return json.loads(JSONEncoder().encode(GrafanaDashboard.from_json(document)))


def _lost(written: Any, read: Any, path: str = "") -> list[str]:
    """Where what was read differs from what was written; more may have been read, which was left to its default."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [
            one
            for key, value in written.items()
            for one in (_lost(value, read[key], f"{path}.{key}") if key in read else [f"{path}.{key}"])
        ]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        pairs = enumerate(zip(written, read, strict=True))
        return [found for at, (one, other) in pairs for found in _lost(one, other, f"{path}[{at}]")]
    return [] if written == read else [path]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('up{job="a"} == 0', ['up{job="a"}']),
        ('sum by (le, verb) (rate(x_bucket{le=~"a|b"}[5m])) > 1', ['x_bucket{le=~"a|b"}']),
        ("histogram_quantile(0.99, x_bucket)", ["x_bucket"]),
        ("a_b / on (instance) group_left () c_d > 0.9", ["a_b", "c_d"]),
        ('absent(up{job="x"} == 1)', ['up{job="x"}']),
    ],
)
def test_the_series_that_an_expression_reads_are_found(expression: str, found: list[str]) -> None:
    assert list(adapt.selectors(expression)) == found
