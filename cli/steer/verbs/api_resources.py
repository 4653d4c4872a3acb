"""`steer api-resources`."""

import click

from cli.steer.failures import Failure
from cli.steer.output.table import Table
from cli.steer.session import Session, with_session


@click.command("api-resources")
@click.option("--api-group", default=None, help="Only those of a group.")
@click.option(
    "--namespaced",
    type=bool,
    default=None,
    is_flag=False,
    flag_value="true",
    help="Only those that are in namespaces, or (false) are not.",
)
@click.option("--verbs", default="", help="Only those that have all these verbs.")
@click.option("--categories", default="", help="Only those of all these categories.")
@click.option("-o", "--output", default="", type=click.Choice(["", "wide", "name"]), help="Output format.")
@click.option("--sort-by", default="", help="By name or kind; by group and name when not said.")
@click.option("--no-headers", is_flag=True, help="Print no headers.")
@with_session
def command(
    session: Session,
    api_group: str | None,
    namespaced: bool | None,
    verbs: str,
    categories: str,
    output: str,
    sort_by: str,
    no_headers: bool,
) -> None:
    """Print the supported API resources on the server."""
    preferred = {(kind.group, kind.plural): kind for kind in reversed(session.discovery.kinds)}
    found = [
        kind
        for kind in preferred.values()
        if (api_group is None or kind.group == api_group)
        and (namespaced is None or kind.namespaced == namespaced)
        and set(filter(None, verbs.split(","))) <= set(kind.verbs)
        and set(filter(None, categories.split(","))) <= set(kind.categories)
    ]
    found.sort(key=lambda kind: (kind.group, kind.plural))
    if sort_by == "name":
        found.sort(key=lambda kind: kind.plural)
    elif sort_by == "kind":
        found.sort(key=lambda kind: kind.kind)
    elif sort_by:
        raise Failure("--sort-by accepts only name or kind")
    if output == "name":
        for kind in found:
            print(f"{kind.plural}.{kind.group}" if kind.group else kind.plural)
        return
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    rows = [
        [kind.plural, ",".join(kind.short_names), kind.api_version, str(kind.namespaced).lower(), kind.kind]
        for kind in found
    ]
    if output == "wide":
        head += ["VERBS", "CATEGORIES"]
        rows = [[*row, ",".join(kind.verbs), ",".join(kind.categories)] for row, kind in zip(rows, found, strict=True)]
    Table(head, headers=not no_headers).print(rows)
