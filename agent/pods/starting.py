"""Carries out what a plan wants started: the sandbox, and containers in it. The edge: files, Docker, the API.

Each returns what came of it; a refusal becomes a Failure with the kubelet's waiting reason and a warning event, and
costs this container only.
"""

import dataclasses
import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.pods import clock
from agent.pods.actions import StartContainer
from agent.pods.docker_config import Mount, container_config, sandbox_config, unsupported
from agent.pods.environment import environment
from agent.pods.kept import Kept, with_kept
from agent.pods.manifests import is_static
from agent.pods.observed import Failure, Observed
from agent.pods.problems import ApiAway, ConfigError, CreateError
from agent.pods.qos import limits
from agent.pods.references import References
from agent.pods.resolving import hosts_file, resolv_conf
from agent.pods.seccomp import security_option
from agent.pods.sources import Sources
from agent.pods.surroundings import Surroundings
from agent.runtime.credentials import credentials_for
from agent.runtime.failures import RuntimeRefusal
from agent.runtime.images import ImageFailed, ImageHere, ImagePending
from agent.runtime.records import SANDBOX_CONTAINER, ContainerRecord, container_name
from agent.volumes import VolumeError, prepare_volumes, refresh_volumes
from agent.volumes.mounts import make_places, mounts_of
from agent.volumes.tokens import Tokens
from api.core import Container, EphemeralContainer, Pod

log = logging.getLogger(__name__)

_CONFIG_RETRY_S = 2.0
_CREATE_RETRY_S = 5.0
_SANDBOX_RETRY_S = 2.0
_SANDBOX_RETRY_CAP_S = 30.0
_IMAGE_EVENTS = {"InvalidImageName": "InspectFailed", "ErrImageNeverPull": "ErrImageNeverPull"}
# runc's words on a host that refuses a lower score; Docker 20.10 shows only the second.
_OOM_SCORE_WORDS = ("oom_score_adj", "can't get final child's PID from pipe")


class Starter:
    """Starts sandboxes and containers. Used by all workers at once, for different pods."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._references = References(around.client)
        self._tokens = Tokens(around.client)
        self._kept = Kept(around.pod_directory)
        self._lock = threading.Lock()

    # The sandbox.

    def create_sandbox(self, pod: Pod, observed: Observed, *, attempt: int, now: datetime) -> Failure | None:
        around = self._around
        before = observed.failures.get("")
        count = before.count + 1 if before else 1
        try:
            problem = unsupported(pod) or ("" if pod.spec.host_network else around.network_problem())
            if problem:
                raise ConfigError(problem)
            around.pod_directory(pod.metadata.uid).mkdir(parents=True, exist_ok=True)
            name, parent = container_name(pod, SANDBOX_CONTAINER, attempt), around.cgroups.parent_of(pod)
            self._launch(name, sandbox_config(pod, around.host, attempt=attempt, cgroup_parent=parent))
        except (RuntimeRefusal, ConfigError, OSError) as error:
            around.event(pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            delay_s = min(_SANDBOX_RETRY_S * 2.0 ** min(count - 1, 10), _SANDBOX_RETRY_CAP_S)
            retry_at = now + timedelta(seconds=delay_s)
            return Failure(reason="ContainerCreating", message=str(error), retry_at=retry_at, count=count)
        return None

    # Containers.

    def start_container(self, pod: Pod, action: StartContainer, observed: Observed, now: datetime) -> Failure | bool:
        """True when it runs, False when it waits for an image, a Failure otherwise."""
        container = action.container
        image = self._around.images.ensure(
            container.image,
            container.image_pull_policy,
            now,
            credentials=lambda: self._credentials(pod, container),
        )
        if not isinstance(image, ImageHere):
            return self._without_image(pod, container, image)
        try:
            config = self._config(pod, action, observed, image)
        except (VolumeError, OSError) as error:
            if image.pulled_s is not None:
                self._tell_pulled(pod, container, image)
            self._around.event(pod, "Warning", "FailedMount", str(error))
            return _failure("ContainerCreating", str(error), now, _CONFIG_RETRY_S)
        except ConfigError as error:
            self._tell_pulled(pod, container, image)
            return self._failed(pod, container, "CreateContainerConfigError", str(error), now)
        except CreateError as error:
            self._tell_pulled(pod, container, image)
            return self._failed(pod, container, "CreateContainerError", str(error), now, retry_s=_CREATE_RETRY_S)
        self._tell_pulled(pod, container, image)
        return self._run(pod, action, config, now)

    def _credentials(self, pod: Pod, container: Container) -> dict[str, str] | None:
        secrets, missing = self._references.pull_secrets(pod)
        if missing:
            told = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); the pull may not succeed."
            self._around.event(pod, "Warning", "FailedToRetrieveImagePullSecret", told)
        return credentials_for(container.image, secrets)

    def _without_image(self, pod: Pod, container: Container, image: ImagePending | ImageFailed) -> Failure | bool:
        around = self._around
        if isinstance(image, ImagePending):
            if image.began:
                around.event(pod, "Normal", "Pulling", f'Pulling image "{container.image}"', container=container.name)
            return False
        if image.reason == "ImagePullBackOff":
            around.event(pod, "Normal", "BackOff", image.message, container=container.name)
            around.event(pod, "Warning", "Failed", f"Error: {image.reason}", container=container.name)
        elif image.fresh:
            told = image.message
            if image.reason == "ErrImagePull":
                told = f'Failed to pull image "{container.image}": {image.message}'
            around.event(pod, "Warning", _IMAGE_EVENTS.get(image.reason, "Failed"), told, container=container.name)
            around.event(pod, "Warning", "Failed", f"Error: {image.reason}", container=container.name)
        return Failure(reason=image.reason, message=image.message, retry_at=image.retry_at)

    def _tell_pulled(self, pod: Pod, container: Container, image: ImageHere) -> None:
        told = f'Container image "{container.image}" already present on machine'
        if image.pulled_s is not None:
            told = f'Successfully pulled image "{container.image}" in {image.pulled_s:.3f}s'
        self._around.event(pod, "Normal", "Pulled", told, container=container.name)

    def _config(self, pod: Pod, action: StartContainer, observed: Observed, image: ImageHere) -> dict[str, Any]:
        """Raises ConfigError, CreateError or VolumeError."""
        around, container, sandbox = self._around, action.container, observed.sandbox
        if sandbox is None:
            raise ConfigError("the sandbox is gone")
        sources = self._sources_to_start(pod, sandbox)
        env = environment(pod, container, sources)
        directory = around.pod_directory(pod.metadata.uid)
        volumes = prepare_volumes(pod, directory, sources, around.instruments.volume_made)
        mounts = _distinct([
            *mounts_of(container, volumes, env, directory),
            *self._own_mounts(pod, container, directory, attempt=action.attempt, pod_ip=sources.pod_ip),
        ])  # fmt: skip
        make_places(mounts, within={str(volume.path) for volume in volumes.values() if volume.written})
        return container_config(
            pod, container, around.host, sandbox_id=sandbox.id, attempt=action.attempt, level=action.level, env=env,
            mounts=mounts, image=image.facts, processes_of=_target_of(container, observed),
            limits=limits(pod, container, machine_memory_bytes=around.machine_memory_bytes),
            cgroup_parent=around.cgroups.parent_of(pod),
            seccomp=security_option(pod, container, around.config.data_dir / "seccomp"),
        )  # fmt: skip

    def refresh(self, pod: Pod, sandbox: ContainerRecord, now: datetime) -> None:
        """Brings the files of a running pod's volumes up to date. What cannot be had leaves the old ones."""
        meta = pod.metadata
        try:
            sources = self._sources(pod, sandbox, now)
            changed = refresh_volumes(pod, self._around.pod_directory(meta.uid), sources)
        except (VolumeError, ConfigError) as error:
            log.warning("volumes not refreshed pod=%s/%s error=%s", meta.namespace, meta.name, error)
            return
        if changed:
            log.info("volumes refreshed pod=%s/%s volumes=%s", meta.namespace, meta.name, ",".join(changed))

    def forget(self, uid: str) -> None:
        self._tokens.forget(uid)

    def _sources_to_start(self, pod: Pod, sandbox: ContainerRecord) -> Sources:
        """With what the API told before, when it is away now."""
        try:
            return self._sources(pod, sandbox, clock.now())
        except ApiAway as error:
            kept = self._kept.load(pod)
            if kept is None:
                raise
            return with_kept(self._facts(pod, sandbox), kept, str(error))

    def _sources(self, pod: Pod, sandbox: ContainerRecord, now: datetime) -> Sources:
        facts = self._facts(pod, sandbox)
        config_maps, secrets = self._references.of(pod)
        claims, tokens = self._references.claims(pod), self._tokens.of(pod, now)
        sources = dataclasses.replace(facts, config_maps=config_maps, secrets=secrets, claims=claims, tokens=tokens)
        self._kept.save(pod, sources)
        return sources

    def _facts(self, pod: Pod, sandbox: ContainerRecord) -> Sources:
        """What this node knows by itself. Raises ConfigError before the services are known."""
        around = self._around
        services = around.services()
        if services is None and is_static(pod):
            services = ()  # it must start where there is no master yet
        if services is None:
            raise ConfigError("services have not yet been read at least once, cannot construct envvars")
        return Sources(
            services=services, host_ip=around.host_ip,
            pod_ip=around.host_ip if pod.spec.host_network else sandbox.ip,
            machine_cpu_millis=around.machine_cpu_millis, machine_memory_bytes=around.machine_memory_bytes,
        )  # fmt: skip

    def _own_mounts(self, pod: Pod, container: Container, directory: Path, *, attempt: int, pod_ip: str) -> list[Mount]:
        """resolv.conf, hosts, and the file for last words."""
        config = self._around.config
        resolv = resolv_conf(
            pod, host_file=_text(config.resolv_conf), cluster_dns=config.cluster_dns, domain=config.cluster_domain
        )
        mounts = [Mount(str(_written(directory / "resolv.conf", resolv)), "/etc/resolv.conf")]
        if not pod.spec.host_network:
            hosts = hosts_file(pod, pod_ip=pod_ip, domain=config.cluster_domain)
            mounts.append(Mount(str(_written(directory / "etc-hosts", hosts)), "/etc/hosts"))
        words = message_path(directory, container.name, attempt)
        words.parent.mkdir(parents=True, exist_ok=True)
        _written(words, "").chmod(0o666)
        mounts.append(Mount(str(words), container.termination_message_path or "/dev/termination-log"))
        return mounts

    def _run(self, pod: Pod, action: StartContainer, config: dict[str, Any], now: datetime) -> Failure | bool:
        around, container = self._around, action.container
        name = container_name(pod, container.name, action.attempt)
        try:
            container_id = self._create(name, config)
        except RuntimeRefusal as error:
            return self._failed(pod, container, "CreateContainerError", str(error), now, retry_s=_CREATE_RETRY_S)
        around.event(pod, "Normal", "Created", f"Created container: {container.name}", container=container.name)
        try:
            record = self._start(container_id, name, config)
        except RuntimeRefusal as error:
            around.cache.refresh(container_id)
            return self._failed(pod, container, "RunContainerError", str(error), now, retry_s=0)
        around.event(pod, "Normal", "Started", f"Started container {container.name}", container=container.name)
        if record is not None:
            around.links.make(record)
        return True

    def _failed(
        self, pod: Pod, container: Container, reason: str, message: str, now: datetime,
        *, retry_s: float = _CONFIG_RETRY_S,
    ) -> Failure:  # fmt: skip
        self._around.event(pod, "Warning", "Failed", f"Error: {message}", container=container.name)
        return _failure(reason, message, now, retry_s)

    # Docker.

    def _launch(self, name: str, config: dict[str, Any]) -> ContainerRecord | None:
        container_id = self._create(name, config)
        try:
            return self._start(container_id, name, config)
        except RuntimeRefusal:
            # The name must be free for the next try.
            self._around.docker.remove(container_id)
            raise

    def _create(self, name: str, config: dict[str, Any]) -> str:
        return self._around.docker.create(name, config)

    def _start(self, container_id: str, name: str, config: dict[str, Any]) -> ContainerRecord | None:
        """Starts it; once more without a protecting OOM score where the host refuses that."""
        try:
            self._around.docker.start(container_id)
        except RuntimeRefusal as error:
            score = config["HostConfig"]["OomScoreAdj"]
            if score >= 0 or not any(words in str(error) for words in _OOM_SCORE_WORDS):
                raise
            self._give_up_negative_scores(str(error))
            self._around.docker.remove(container_id)
            config["HostConfig"]["OomScoreAdj"] = 0
            container_id = self._create(name, config)
            self._around.docker.start(container_id)
        return self._around.cache.refresh(container_id)

    def _give_up_negative_scores(self, error: str) -> None:
        with self._lock:
            if self._around.host.negative_oom_score:
                log.warning("host refuses negative oom scores, going on without error=%s", error)
                told = f"The host refuses to lower oom_score_adj, containers start without that: {error}"
                self._around.tell_node("Warning", "FailedToSetOOMScore", told)
                self._around.host = dataclasses.replace(self._around.host, negative_oom_score=False)


def _target_of(container: Container, observed: Observed) -> str:
    """Id of the container that an ephemeral one looks into; empty when it names none. Raises ConfigError."""
    if not isinstance(container, EphemeralContainer) or not container.target_container_name:
        return ""
    target = observed.newest(container.target_container_name)
    if target is None or not target.running:
        raise ConfigError(f'target container "{container.target_container_name}" is not running')
    return target.id


def _failure(reason: str, message: str, now: datetime, retry_s: float) -> Failure:
    return Failure(reason=reason, message=message, retry_at=now + timedelta(seconds=retry_s))


def message_path(directory: Path, container: str, attempt: int) -> Path:
    """Where a container's last words are on the host."""
    return directory / "containers" / container / f"{attempt}.message"


def _distinct(mounts: list[Mount]) -> list[Mount]:
    """The pod's own mount of a path wins over ours."""
    return list({mount.target: mount for mount in reversed(mounts)}.values())[::-1]


def _written(path: Path, text: str) -> Path:
    """Written in place: a running container has this very file mounted."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        log.warning("resolv.conf not read path=%s error=%s", path, error)
        return ""
