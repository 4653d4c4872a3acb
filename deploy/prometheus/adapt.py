"""prometheus.yml and the rules for another place: another API server, other ports, no discovery, shorter waits.

    python deploy/prometheus/adapt.py --into DIRECTORY --api-server URL --ca-file FILE --credentials-file FILE
        [--cadvisor-port 4194] [--proxy-port 10256] [--dns-port 9153]
        [--controllers-port 10257] [--scheduler-port 10259]
        (port 0: the job is left out, and the alerts on it)
        [--nodes FILE]   targets for a scraper without discovery; FILE: `kubectl get nodes -o json`
        [--for 10s] [--interval 5s]

Writes DIRECTORY/prometheus.yml and DIRECTORY/rules/alerts.yml, and nothing else.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

HERE = Path(__file__).resolve().parent
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What differs from the files as they stand. Ports are the cluster's settings."""

    api_server: str
    ca_file: str
    credentials_file: str
    cadvisor_port: int = 4194
    proxy_port: int = 10256
    dns_port: int = 9153
    controllers_port: int = 10257
    scheduler_port: int = 10259
    interval: str = "15s"

    @property
    def api_address(self) -> str:
        return urlsplit(self.api_server).netloc

    @property
    def words(self) -> Mapping[str, str]:
        """Of the files, and what stands there instead."""
        return {
            "https://127.0.0.1:6443": self.api_server,
            "127.0.0.1:6443": self.api_address,
            "/etc/prometheus/steersman/ca.crt": self.ca_file,
            "/etc/prometheus/steersman/token": self.credentials_file,
            "$1:4194": f"$1:{self.cadvisor_port}",
            "$1:10256": f"$1:{self.proxy_port}",
            "$1:9153": f"$1:{self.dns_port}",
            "127.0.0.1:10257": f"127.0.0.1:{self.controllers_port}",
            "127.0.0.1:10259": f"127.0.0.1:{self.scheduler_port}",
        }


def settled(document: Document, place: Place) -> Document:
    """The configuration for that place."""
    replaced = _replaced(document, place.words)
    ports = {
        "kube-controller-manager": place.controllers_port,
        "kube-scheduler": place.scheduler_port,
        "coredns": place.dns_port,
    }
    replaced["scrape_configs"] = [job for job in replaced["scrape_configs"] if ports.get(job["job_name"], 1)]
    replaced["global"]["scrape_interval"] = replaced["global"]["evaluation_interval"] = place.interval
    return dict(replaced)


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, words) for one in value]
    return words.get(value, value) if isinstance(value, str) else value


def without_discovery(document: Document, nodes: Document, place: Place) -> Document:
    """The same targets and labels, written out: one for each node where there is discovery of nodes."""
    jobs = [_written_out(job, nodes, place) for job in document["scrape_configs"]]
    return {**document, "scrape_configs": jobs}


def _written_out(job: Document, nodes: Document, place: Place) -> Document:
    kept = {key: value for key, value in job.items() if key not in ("kubernetes_sd_configs", "relabel_configs")}
    discovery = job.get("kubernetes_sd_configs")
    if discovery is None:
        return kept
    if discovery[0]["role"] != "node":
        return {**kept, "static_configs": [{"targets": [place.api_address]}]}
    return {**kept, "static_configs": [_target(job["relabel_configs"], node) for node in nodes["items"]]}


def _target(rules: list[Document], node: Document) -> Document:
    """What the rules make of a node. They only ever set a label to `replacement`, with $1 for their source."""
    found = {"__address__": "", "__meta_kubernetes_node_name": node["metadata"]["name"]}
    for address in node["status"]["addresses"]:
        found[f"__meta_kubernetes_node_address_{address['type']}"] = address["address"]
    for rule in rules:
        source = found[rule["source_labels"][0]] if "source_labels" in rule else ""
        found[rule["target_label"]] = rule.get("replacement", "$1").replace("$1", source)
    address = found.pop("__address__")
    return {"targets": [address], "labels": {k: v for k, v in found.items() if not k.startswith("__meta_")}}


def fitting(rules: Document, document: Document) -> Document:
    """Without the alerts on jobs that the configuration does not have."""
    jobs = {job["job_name"] for job in document["scrape_configs"]}

    def fits(rule: Document) -> bool:
        return set(re.findall(r'job="([^"]+)"', rule["expr"])) <= jobs

    return {**rules, "groups": [{**one, "rules": [*filter(fits, one["rules"])]} for one in rules["groups"]]}


def shortened(rules: Document, wait: str) -> Document:
    """The rules with another `for`: a demonstration has no minutes to lose."""
    groups = [
        {**group, "rules": [{**rule, "for": wait} if "for" in rule else rule for rule in group["rules"]]}
        for group in rules["groups"]
    ]
    return {**rules, "groups": groups}


def selectors(expression: str) -> Iterator[str]:
    """The series that an expression reads: `name{...}` and bare names, without functions, labels and words."""
    text = re.sub(r"(\b(?:by|on|ignoring|without|group_left|group_right)\s*)\([^)]*\)", " ", expression)
    for match in re.finditer(r"([a-zA-Z_:][\w:]*)\b(\{[^}]*\})?(?!\s*\()", text):
        name, labels = match.groups()
        if "_" in name or name == "up":
            yield name + (labels or "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True)
    for name in ("api-server", "ca-file", "credentials-file"):
        parser.add_argument(f"--{name}", required=True)
    ports = {"cadvisor": 4194, "proxy": 10256, "dns": 9153, "controllers": 10257, "scheduler": 10259}
    for name, port in ports.items():
        parser.add_argument(f"--{name}-port", type=int, default=port)
    parser.add_argument("--nodes", type=Path)
    parser.add_argument("--for", dest="wait", default="")
    parser.add_argument("--interval", default="15s")
    options = parser.parse_args()
    place = Place(**{key: value for key, value in vars(options).items() if key not in ("into", "nodes", "wait")})
    document = settled(yaml.safe_load((HERE / "prometheus.yml").read_text(encoding="utf-8")), place)
    if options.nodes:
        nodes = json.loads(options.nodes.read_text(encoding="utf-8"))
        document = without_discovery(document, nodes, place)
    rules = yaml.safe_load((HERE / "rules/alerts.yml").read_text(encoding="utf-8"))
    rules = fitting(rules, document)
    write(options.into, document, shortened(rules, options.wait) if options.wait else rules)


def write(directory: Path, document: Document, rules: Document) -> None:
    (directory / "rules").mkdir(parents=True, exist_ok=True)
    (directory / "prometheus.yml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    (directory / "rules/alerts.yml").write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
