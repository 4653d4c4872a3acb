"""Containers, networks and images, found by their labels."""

from collections.abc import Callable
from typing import Any

import docker
import docker.errors

from cli.errors import CommandError, is_forbidden
from cli.traces.trace import Trace, removed

CLUSTER_LABEL = "io.steersman.cluster"
TYPE_LABEL = "io.kubernetes.docker.type"
# Images of no single cluster: the sandbox's, the examples', the tests'.
SHARED_IMAGE_LABELS = ("io.steersman.cluster-image", "io.steersman.example", "io.steersman.test")
TIMEOUT_S = 60
# Docker 20.10 counts an endpoint too many now and then, when its callers are killed amid starts. Only dockerd's own
# start counts anew (cleanupLocalEndpoints of libnetwork); no call of its API does.
_GHOST = (
    "Docker counts a container on it that is not there any more, and lets it go only after it was started anew: "
    "restart Docker (systemctl restart docker)"
)


def connect(docker_host: str) -> Any:
    """A client of the daemon; CommandError when it does not answer."""
    try:
        client = docker.DockerClient(base_url=docker_host, timeout=TIMEOUT_S)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        if is_forbidden(error):
            raise CommandError(f"{docker_host}: Permission denied", hint="use sudo") from error
        raise CommandError(
            f"the Docker daemon at {docker_host} does not answer: {error}",
            hint="start it (scripts/setup-host), then call this again",
        ) from error
    return client


def container_ids(client: Any, cluster: str) -> list[str]:
    """The ids of all containers of the cluster, stopped ones too."""
    found = client.api.containers(all=True, filters={"label": f"{CLUSTER_LABEL}={cluster}"})
    return [one["Id"] for one in found]


def other_clusters(client: Any, cluster: str) -> list[str]:
    """The names of other clusters that have containers on this host."""
    found = client.api.containers(all=True, filters={"label": CLUSTER_LABEL})
    return sorted({one["Labels"][CLUSTER_LABEL] for one in found} - {cluster})


def containers(client: Any, cluster: str) -> list[Trace]:
    """Sandboxes last: they hold the namespaces the others live in, and Podman lets none go before those."""
    found = client.api.containers(all=True, filters={"label": f"{CLUSTER_LABEL}={cluster}"})
    found.sort(key=lambda one: one["Labels"].get(TYPE_LABEL) == "podsandbox")
    return [removed(f"container {_name(one)}", _remover(client, one["Id"])) for one in found]


def _name(container: dict[str, Any]) -> str:
    names = container.get("Names") or [container["Id"][:12]]
    return str(names[0]).lstrip("/")


def _remover(client: Any, identifier: str) -> Callable[[], None]:
    def remove() -> None:
        try:
            client.api.remove_container(identifier, force=True, v=True)
        except docker.errors.NotFound:
            pass

    return remove


def networks(client: Any, cluster: str) -> list[Trace]:
    """The cluster's Docker networks, with their bridges."""
    found = client.api.networks(filters={"label": f"{CLUSTER_LABEL}={cluster}"})
    return [Trace(f"network {one['Name']}", _network_remover(client, one)) for one in found]


def _network_remover(client: Any, network: dict[str, Any]) -> Callable[[], list[str]]:
    def remove() -> list[str]:
        done = [_disconnected(client, network["Name"], one["Name"]) for one in _endpoints(client, network["Id"])]
        try:
            client.api.remove_network(network["Id"])
        except docker.errors.NotFound:
            return done
        except docker.errors.APIError as error:
            if "has active endpoints" not in str(error) or _endpoints(client, network["Id"]):
                raise
            raise CommandError(_GHOST) from error
        return [*done, f"network {network['Name']}"]

    return remove


def _endpoints(client: Any, identifier: str) -> list[dict[str, Any]]:
    """What is attached to a network: containers that are not ours, and what Docker has left of some that are gone."""
    try:
        return list((client.api.inspect_network(identifier).get("Containers") or {}).values())
    except docker.errors.NotFound:
        return []


def _disconnected(client: Any, network: str, endpoint: str) -> str:
    client.api.disconnect_container_from_network(endpoint, network, force=True)
    return f"{endpoint} from network {network}"


def images(client: Any, cluster: str) -> list[Trace]:
    """The cluster's own images, and the shared ones unless another cluster is here or a container runs from them."""
    found = client.api.images(all=True, filters={"label": f"{CLUSTER_LABEL}={cluster}"})
    if not other_clusters(client, cluster):
        for label in SHARED_IMAGE_LABELS:
            found += client.api.images(all=True, filters={"label": label})
    unique = {one["Id"]: one for one in found}
    return [Trace(f"image {_tags(one)}", _image_remover(client, one)) for one in unique.values()]


def _tags(image: dict[str, Any]) -> str:
    return ", ".join(_names(image)) or str(image["Id"])[7:19]


def _names(image: dict[str, Any]) -> list[str]:
    """Its tags. Docker gives one that has lost its name to a newer image the tag ``<none>:<none>``."""
    return [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]


def _image_remover(client: Any, image: dict[str, Any]) -> Callable[[], list[str]]:
    def remove() -> list[str]:
        for reference in _names(image) or [image["Id"]]:
            try:
                client.api.remove_image(reference)
            except docker.errors.ImageNotFound:
                pass
            except docker.errors.APIError as error:
                if error.response is not None and error.response.status_code == 409:
                    return [f"image {_tags(image)} kept: a container that is not ours uses it"]
                raise
        return [f"image {_tags(image)}"]

    return remove
