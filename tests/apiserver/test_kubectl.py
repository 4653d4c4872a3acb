"""The newest kubectl, with no special flag."""

from collections.abc import Callable
from typing import Any

RC = """
apiVersion: v1
kind: ReplicationController
metadata:
  name: frontend
spec:
  replicas: 3
  selector: {app: guestbook}
  template:
    metadata:
      labels: {app: guestbook}
    spec:
      containers:
      - name: php
        image: gb-frontend:v4
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: frontend, labels: {app: guestbook}}
spec:
  type: NodePort
  ports: [{port: 80, nodePort: 30001}]
  selector: {app: guestbook}
"""


def test_a_manifest_is_created_shown_scaled_and_deleted(kubectl: Callable[..., Any]) -> None:
    made = kubectl("create", "-f", "-", stdin=RC).stdout
    assert made == "replicationcontroller/frontend created\nservice/frontend created\n"
    header, row = kubectl("get", "rc", "-o", "wide").stdout.splitlines()
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] + row.split()[5:] == ["frontend", "3", "0", "0", "php", "gb-frontend:v4", "app=guestbook"]
    assert "80:30001/TCP" in kubectl("get", "svc", "frontend").stdout
    assert kubectl("scale", "rc", "frontend", "--replicas=5").stdout == "replicationcontroller/frontend scaled\n"
    assert kubectl("get", "rc", "frontend", "-o", "jsonpath={.spec.replicas}").stdout == "5"
    assert "0 current / 5 desired" in kubectl("describe", "rc", "frontend").stdout
    gone = kubectl("delete", "rc,svc", "--all").stdout
    assert 'replicationcontroller "frontend" deleted' in gone
    assert 'service "frontend" deleted' in gone
