"""`steer create quota`, `priorityclass` and `poddisruptionbudget`."""

import re
from typing import Any

import click

from api.scalars import Quantity
from cli.steer.creating.making import Made, maker, meta
from cli.steer.failures import Failure
from cli.steer.session import Object, Session
from cli.steer.verbs.expose import pairs

_NOT_A_QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # as in Kubernetes
)
_COUNT = re.compile(r"[0-9]+%?")


@maker(
    "quota",
    Made("resourcequotas", refused="quota:"),
    "Create a quota with the specified name.",
    click.option("--hard", default="", help="Bounds, as pods=3,cpu=1."),
    click.option("--scopes", default="", help="What is counted: scopes with commas."),
)
def quota(session: Session, name: str, flags: dict[str, Any]) -> Object:
    hard = amounts(flags["hard"])
    scopes = [one.strip() for one in flags["scopes"].split(",") if one.strip()]
    spec = {**({"hard": hard} if hard else {}), **({"scopes": scopes} if scopes else {})}
    return {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": meta(session, name), "spec": spec, "status": {}}


def amounts(text: str) -> dict[str, str]:
    """Of ``pods=3,cpu=1``, in order. Raises Failure."""
    found = {}
    for one in text.split(",") if text else ():
        name, equals, amount = one.partition("=")
        if not equals or "=" in amount:
            raise Failure(f"Invalid argument syntax {one}, expected <resource>=<value>")
        try:
            found[name] = str(Quantity(amount))
        except ValueError as error:
            raise Failure(_NOT_A_QUANTITY) from error
    return dict(sorted(found.items()))


@maker(
    "priorityclass",
    Made("priorityclasses", refused="priorityclass:"),
    "Create a priority class with the specified name.",
    click.option("--value", type=int, default=0, help="The priority."),
    click.option("--global-default", is_flag=True, help="Of all pods that name none."),
    click.option("--description", default="", help="When it is to be used."),
    click.option("--preemption-policy", default="PreemptLowerPriority", help="PreemptLowerPriority or Never."),
)
def priorityclass(session: Session, name: str, flags: dict[str, Any]) -> Object:
    return {
        "kind": "PriorityClass",
        "apiVersion": "scheduling.k8s.io/v1",
        "metadata": meta(session, name, namespaced=False),
        "value": flags["value"],
        **({"globalDefault": True} if flags["global_default"] else {}),
        **({"description": flags["description"]} if flags["description"] else {}),
        "preemptionPolicy": flags["preemption_policy"],
    }


@maker(
    "poddisruptionbudget",
    Made("poddisruptionbudgets", refused="poddisruptionbudgets:"),
    "Create a pod disruption budget with the specified name.",
    click.option("--min-available", default="", help="How many pods, or which share, must stay."),
    click.option("--max-unavailable", default="", help="How many pods, or which share, may be away."),
    click.option("--selector", default="", help="Labels of the pods, as a=b,c=d."),
)
def poddisruptionbudget(session: Session, name: str, flags: dict[str, Any]) -> Object:
    least, most = flags["min_available"], flags["max_unavailable"]
    if not flags["selector"]:
        raise Failure("a selector must be specified")
    if not least and not most:
        raise Failure("one of min-available or max-unavailable must be specified")
    if least and most:
        raise Failure("min-available and max-unavailable cannot be both specified")
    for flag, value in (("min-available", least), ("max-unavailable", most)):
        if value and not _COUNT.fullmatch(value):
            raise Failure(f"invalid format specified for {flag}")
    value = least or most
    limit: int | str = value if value.endswith("%") else int(value)
    selector = {"matchLabels": pairs(flags["selector"])}
    return {
        "kind": "PodDisruptionBudget",
        "apiVersion": "policy/v1",
        "metadata": meta(session, name),
        "spec": {"minAvailable": limit, "selector": selector}
        if least
        else {"selector": selector, "maxUnavailable": limit},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    }
