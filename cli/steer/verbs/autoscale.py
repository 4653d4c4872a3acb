"""`steer autoscale TYPE NAME --max=N`: a HorizontalPodAutoscaler, where the server has them."""

from typing import Any

import click

from cli.steer.discovery import Kind
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.targets import WHICH, query, targets
from cli.steer.writing import DRY_RUN, each, options, outcome

_NAMES = ("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler")
_NEW, _OLD = (Kind("autoscaling", version, *_NAMES, namespaced=True) for version in ("v2", "v1"))


@click.command("autoscale")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH, DRY_RUN)
@click.option("--min", "least", type=int, default=-1, help="The least number of pods; below 0: the server's default.")
@click.option("--max", "most", type=int, default=None, help="The greatest number of pods.")
@click.option("--cpu-percent", type=int, default=-1, help="The use of CPU to aim at, in percent of what is requested.")
@click.option("--name", default="", help="The autoscaler's name; that of the object when not said.")
@with_session
def command(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Auto-scale a deployment, replica set, stateful set, or replication controller."""
    if flags["most"] is None:
        raise Failure('required flag(s) "max" not set')
    if flags["most"] < 1:
        raise Failure(f"--max=MAXPODS is required and must be at least 1, max: {flags['most']}")
    if flags["most"] < flags["least"]:
        raise Failure(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, "
            f"max: {flags['most']}, min: {flags['least']}"
        )  # fmt: skip
    items = list(targets(session, words, flags))

    # Servers before 1.23 have the older form only.
    is_old = session.discovery.of(_OLD.api_version, _OLD.kind) and not session.discovery.of(_NEW.api_version, _NEW.kind)
    kind = _OLD if is_old else _NEW

    def one(item: Manifest) -> None:
        made = autoscaler(item, kind.version, flags)
        if flags["dry_run"] != "client":
            asks = query(flags["dry_run"], "steer-autoscale")
            made = session.call("POST", kind.path(item.namespace(session)), query=asks, body=made)
        about = Manifest(made, kind, "")
        outcome(about, "autoscaled", made, form=flags["output"], dry_run=flags["dry_run"])

    each(items, one)


def autoscaler(item: Manifest, version: str, flags: dict[str, Any]) -> Object:
    spec: Object = {"maxReplicas": flags["most"]}
    if flags["cpu_percent"] >= 0 and version == _OLD.version:
        spec["targetCPUUtilizationPercentage"] = flags["cpu_percent"]
    elif flags["cpu_percent"] >= 0:
        aim = {"type": "Utilization", "averageUtilization": flags["cpu_percent"]}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": aim}}]
    if flags["least"] > 0:
        spec["minReplicas"] = flags["least"]
    spec["scaleTargetRef"] = {"apiVersion": item.kind.api_version, "kind": item.kind.kind, "name": item.name}
    name = flags["name"] or item.name
    return {"apiVersion": f"{_NEW.group}/{version}", "kind": _NEW.kind, "metadata": {"name": name}, "spec": spec}
