"""`steer autoscale` makes the form of today where the server does not tell that it has the older one only."""

import json

from both import Both
from kubectls import DEPLOYMENT


def test_usage_is_a_metric_of_the_form_of_today(both: Both) -> None:
    both.create(DEPLOYMENT)
    flags = ("--min=2", "--max=5", "--cpu-percent=80", "--dry-run=client")
    told, wrong, code = both.steer("autoscale", "deploy/web", *flags, "-o", "json")
    assert (wrong, code) == ("", 0)
    made = json.loads(told)
    target = {"type": "Utilization", "averageUtilization": 80}
    assert made["apiVersion"] == "autoscaling/v2"
    assert made["spec"] == {
        "minReplicas": 2, "maxReplicas": 5,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    }  # fmt: skip
    both.same(["autoscale deploy/web --min=2 --max=5 --dry-run=client -o jsonpath={.spec}"])
