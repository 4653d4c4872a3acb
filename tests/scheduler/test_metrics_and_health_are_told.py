"""The scheduler's port: closed unless asked for, then Kubernetes' names."""

from api.core import Pod
from client import Client
from tests.controllers.live import Master
from tests.controllers.test_health_and_metrics_are_told import ask, free_port
from tests.e2e.waiting import until
from tests.scheduler.made import node, pod
from tests.scheduler.running import join, node_of, scheduler


def value(port: int, series: str) -> float:
    lines = [line for line in ask(port, "/metrics").splitlines() if line.startswith(f"{series} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else -1.0


def test_attempts_and_waiting_pods_are_counted(master: Master, admin: Client) -> None:
    port = free_port()
    by = 'profile="default-scheduler",result'
    with scheduler(master, healthz_port=port):
        until(lambda: value(port, 'leader_election_master_status{name="kube-scheduler"}') == 1)
        assert ask(port, "/healthz") == ask(port, "/readyz") == "ok"
        before = value(port, f'scheduler_schedule_attempts_total{{{by}="scheduled"}}')
        refused = value(port, f'scheduler_schedule_attempts_total{{{by}="unschedulable"}}')
        join(admin, node("n1"))
        admin.create(pod("fits"))
        admin.create(pod("waits", nodeSelector={"no": "node"}))
        until(lambda: node_of(admin, "fits") == "n1")
        until(lambda: value(port, f'scheduler_schedule_attempts_total{{{by}="scheduled"}}') == before + 1)
        until(lambda: value(port, f'scheduler_schedule_attempts_total{{{by}="unschedulable"}}') > refused)
        until(lambda: value(port, 'scheduler_pending_pods{queue="unschedulable"}') == 1)
        assert value(port, 'scheduler_scheduler_cache_size{type="nodes"}') == 1
        for name in ("scheduling_attempt_duration_seconds", "e2e_scheduling_duration_seconds"):
            assert value(port, f'scheduler_{name}_count{{profile="default-scheduler",result="scheduled"}}') >= 1
        assert value(port, "scheduler_scheduling_algorithm_duration_seconds_count") >= 2
        assert value(port, "scheduler_pod_scheduling_attempts_count") >= 1
        assert 'rest_client_requests_total{code="201",' in ask(port, "/metrics")
        admin.delete(Pod, "waits", "default", grace_s=0)
        until(lambda: value(port, 'scheduler_pending_pods{queue="unschedulable"}') == 0)
    assert not ask(port, "/healthz")
