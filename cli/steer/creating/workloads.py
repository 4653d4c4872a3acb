"""`steer create deployment`."""

from typing import Any

import click

from cli.steer.creating.making import Made, maker, meta
from cli.steer.failures import Failure
from cli.steer.session import Object, Session


@maker(
    "deployment",
    Made("deployments", refused="deployment:", after_dashes="command", required=("image",)),
    "Create a deployment with the specified name.",
    click.option("--image", multiple=True, help="The image to run; again for a further container."),
    click.option("-r", "--replicas", type=int, default=1, help="How many pods."),
    click.option("--port", type=int, default=-1, help="The port that the containers serve."),
)
def deployment(session: Session, name: str, flags: dict[str, Any]) -> Object:
    if len(flags["image"]) > 1 and flags["command"]:
        raise Failure("cannot specify multiple --image options and command")
    labels = {"app": name}
    containers = [_container(image, flags["command"]) for image in flags["image"]]
    if flags["port"] >= 0:
        containers[0]["ports"] = [{"containerPort": flags["port"]}]
    # The resources stand behind the ports.
    spec = {"containers": [{**one, "resources": {}} for one in containers]}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": meta(session, name, labels=labels),
        "spec": {
            "replicas": flags["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "strategy": {},
        },
        "status": {},
    }


def _container(image: str, command: tuple[str, ...]) -> Object:
    """Named as the image, without registry, tag and digest."""
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return {"name": name, "image": image, **({"command": list(command)} if command else {})}
