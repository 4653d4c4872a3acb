"""Looks at one pod: what is on Docker, what is remembered, what probes say. Changes nothing but which probes run."""

from datetime import datetime
from pathlib import Path

from agent.pods.ending import Ender, container_of
from agent.pods.manifests import is_static
from agent.pods.memory import Memory, previous_status, told_before
from agent.pods.observed import BackoffRules, Observed
from agent.pods.starting import message_path
from agent.pods.store import PodStore
from agent.pods.surroundings import Surroundings
from agent.probes.checks import Target
from agent.probes.prober import Prober
from agent.runtime.logs import last_output
from agent.runtime.records import ContainerRecord
from api.core import Pod

_MESSAGE_BYTES, _FALLBACK_BYTES, _FALLBACK_LINES = 4096, 2048, 80


class Looker:
    """Used by all workers at once, for different pods."""

    def __init__(self, around: Surroundings, store: PodStore, prober: Prober, ender: Ender) -> None:
        self._around = around
        self._store = store
        self._prober = prober
        self._ender = ender
        config = around.config
        self._rules = BackoffRules(
            base_s=config.restart_base_s, cap_s=config.restart_cap_s, reset_s=config.restart_reset_s
        )

    def observe(self, pod: Pod, memory: Memory) -> Observed:
        records = self._around.cache.of_pod(pod.metadata.uid)
        for record in records:
            if record.ended and record.id not in memory.messages:
                memory.messages[record.id] = self._last_words(pod, record)
        ids = {record.id for record in records}
        memory.messages = {key: text for key, text in memory.messages.items() if key in ids}
        terminations = self._ender.terminations(memory.reading)
        return Observed(
            records=records,
            failures=dict(memory.failures),
            terminations={k: v for k, v in terminations.items() if k in ids},
            probes={record.id: self._prober.view(record.id) for record in records if record.running},
            hooks={k: v for k, v in self._ender.hooks().items() if k in ids},
            messages=dict(memory.messages),
            previous=previous_status(self._store.mirror_of(pod) or pod if is_static(pod) else pod, memory),
            host_ip=self._around.host_ip,
            rules=self._rules,
            leaving=memory.leaving,
        )

    def _last_words(self, pod: Pod, record: ContainerRecord) -> str:
        """The termination message; the end of the log instead, if the container wants that and failed silently."""
        path = message_path(self._around.pod_directory(record.uid), record.container, record.attempt)
        try:
            with path.open("rb") as file:
                text = file.read(_MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            text = ""
        container = container_of(pod, record.container)
        wants_log = container is not None and container.termination_message_policy == "FallbackToLogsOnError"
        if text or not wants_log or record.exit_code == 0 or not record.log_path:
            return text
        return last_output(Path(record.log_path), limit_bytes=_FALLBACK_BYTES, limit_lines=_FALLBACK_LINES)

    def watch_probes(self, pod: Pod, observed: Observed, now: datetime) -> None:
        running = [
            record for record in observed.containers if record.running and pod.metadata.deletion_timestamp is None
        ]
        self._prober.keep_only(pod.metadata.uid, {record.id for record in running})
        for record in running:
            target = self.target(pod, observed, record)
            if target is None or record.id in observed.terminations:
                continue
            told = told_before(self._store.mirror_of(pod) or pod if is_static(pod) else pod, record)
            age_s = max((now - (record.started_at or now)).total_seconds(), 0.0)  # or the clock was put back
            self._prober.watch(target, age_s=age_s, was_ready=told[0], was_started=told[1])

    def target(self, pod: Pod, observed: Observed, record: ContainerRecord) -> Target | None:
        container = container_of(pod, record.container)
        if container is None:
            return None
        sandbox = observed.sandbox
        ip = self._around.host_ip if pod.spec.host_network else (sandbox.ip if sandbox is not None else "")
        return Target(record, container, ip)
