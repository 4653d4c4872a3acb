"""Autoscalers, of servers that have them: today's form, and the only one that servers before 1.23 know."""

from typing import Any

import pytest

from cli.steer.discovery import Kind
from cli.steer.manifests import Manifest
from cli.steer.verbs.autoscale import autoscaler

DEPLOYMENT = Manifest(
    {"metadata": {"name": "web"}}, Kind("apps", "v1", "deployments", "deployment", "Deployment", True), ""
)
USAGE = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}


@pytest.mark.parametrize(
    ("version", "aim"), [("v2", {"metrics": [USAGE]}), ("v1", {"targetCPUUtilizationPercentage": 80})]
)
def test_a_deployment_is_scaled_by_its_use_of_cpu(version: str, aim: dict[str, Any]) -> None:
    flags = {"least": 2, "most": 5, "cpu_percent": 80, "name": ""}
    made = autoscaler(DEPLOYMENT, version, flags)
    assert (made["apiVersion"], made["metadata"]) == (f"autoscaling/{version}", {"name": "web"})
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert made["spec"] == {"minReplicas": 2, "maxReplicas": 5, **aim, "scaleTargetRef": about}
