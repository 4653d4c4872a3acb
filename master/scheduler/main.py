"""Runs the scheduler."""

import logging
import threading
from collections.abc import Iterable

from client import Client, EventRecorder, load_kubeconfig, run_elected
from client.metrics import RequestMetrics
from master.health import health_port
from master.metrics import leads
from master.scheduler.config import Config
from master.scheduler.configuration import DEFAULT_NAME, idle, profiles_of, timeouts_of
from master.scheduler.extenders import extenders_of
from master.scheduler.metrics import METERS
from master.scheduler.profile import Profile
from master.scheduler.scheduler import Scheduler

log = logging.getLogger(__name__)

# The name that Kubernetes' own takes, so that only one of both ever leads.
_LEASE = "kube-scheduler"


def run(config: Config, stop: threading.Event) -> None:
    """Schedules until ``stop`` is set, whenever no other copy does."""
    found = config.read_configuration()
    profiles = profiles_of(found, config.scheduler_name) if found is not None else {config.scheduler_name: Profile()}
    config = config.with_file(found)
    extenders = extenders_of(found.extenders, timeouts_of(found)) if found is not None else ()
    if found is not None and (without_effect := idle(found)):
        log.info("configuration says what has no effect here fields=%s", ",".join(without_effect))

    # Of this stretch of leading; none while standing by.
    current: list[Scheduler] = []

    def schedule(client: Client, ended: threading.Event) -> None:
        recorders = {name: EventRecorder(client, name) for name in profiles}
        scheduler = Scheduler(client, profiles, recorders.__getitem__, extenders)
        current[:] = [scheduler]
        try:
            scheduler.schedule(ended)
        finally:
            current.clear()
            for recorder in recorders.values():
                recorder.close()

    lease = (found.leader_election.resource_name if found is not None else "") or _lease(profiles)
    with health_port(config, lambda: [said for one in tuple(current) for said in one.problems], METERS):
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


def _lease(names: Iterable[str]) -> str:
    """Schedulers of other names work beside the default one."""
    known = list(names)
    return _LEASE if DEFAULT_NAME in known else f"{_LEASE}-{known[0]}"
