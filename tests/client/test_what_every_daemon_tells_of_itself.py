"""Build and requests, as dashboards made for Kubernetes ask for them."""

from prometheus_client import CollectorRegistry

from client import Client
from client.kubeconfig import Credentials
from client.metrics import RequestMetrics
from client.showing import show
from tests.client.api_server import ApiServer


def test_build_and_requests_stand_under_kubernetes_names_without_times_of_creation(api: ApiServer) -> None:
    registry = CollectorRegistry()
    show(registry)
    host = api.url.removeprefix("http://")
    labels = {"code": "200", "method": "GET", "host": host}
    client = Client(Credentials(server=api.url), observer=RequestMetrics())
    for _ in range(2):
        client.transport.request("GET", "/version")
    client.close()
    assert registry.get_sample_value("rest_client_requests_total", labels) == 2
    latency = {"verb": "GET", "host": host}
    assert registry.get_sample_value("rest_client_request_duration_seconds_count", latency) == 2
    (build,) = [family for family in registry.collect() if family.name == "kubernetes_build_info"]
    assert build.samples[0].labels["git_version"].startswith("v1.32.0+steersman.")
    assert not [one.name for family in registry.collect() for one in family.samples if one.name.endswith("_created")]
