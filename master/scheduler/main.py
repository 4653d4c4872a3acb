"""Runs the scheduler."""

import threading

from client import Client, EventRecorder, load_kubeconfig, run_elected
from client.metrics import RequestMetrics
from master.health import health_port
from master.metrics import leads
from master.scheduler.config import DEFAULT_NAME, Config
from master.scheduler.configuration import profile_of
from master.scheduler.profile import Profile
from master.scheduler.scheduler import Scheduler

# The name that Kubernetes' own takes, so that only one of both ever leads.
_LEASE = "kube-scheduler"


def run(config: Config, stop: threading.Event) -> None:
    """Schedules until ``stop`` is set, whenever no other copy does."""
    found = config.read_configuration()
    profile = profile_of(found) if found is not None else Profile()

    # Of this stretch of leading; none while standing by.
    current: list[Scheduler] = []

    def schedule(client: Client, ended: threading.Event) -> None:
        recorder = EventRecorder(client, config.scheduler_name)
        scheduler = Scheduler(client, recorder, config.scheduler_name, profile)
        current[:] = [scheduler]
        try:
            scheduler.schedule(ended)
        finally:
            current.clear()
            recorder.close()

    lease = _lease(config)
    with health_port(config, lambda: [said for one in tuple(current) for said in one.problems]):
        run_elected(
            schedule,
            stop,
            config,
            credentials=load_kubeconfig(config.kubeconfig),
            lease=lease,
            user_agent="steersman-scheduler",
            told=lambda held: leads(lease, held=held),
            observer=RequestMetrics(),
        )


def _lease(config: Config) -> str:
    """Schedulers of other names work beside the default one."""
    return _LEASE if config.scheduler_name == DEFAULT_NAME else f"{_LEASE}-{config.scheduler_name}"
