"""`steer version`."""

import click

from cli.steer.output.documents import as_json, as_yaml
from cli.steer.session import Session, with_session
from cli.version import own_version


@click.command("version")
@click.option("--client", is_flag=True, help="Only that of this command; asks no server.")
@click.option("-o", "--output", default="", type=click.Choice(["", "json", "yaml"]), help="Output format.")
@with_session
def command(session: Session, client: bool, output: str) -> None:
    """Print the client and server version information."""
    told = {"clientVersion": {"gitVersion": f"v{own_version()}"}}
    if not client:
        told["serverVersion"] = session.call("GET", "/version")
    if output:
        print(as_json(told) if output == "json" else as_yaml(told), end="")
        return
    print(f"Client Version: {told['clientVersion']['gitVersion']}")
    if not client:
        print(f"Server Version: {told['serverVersion']['gitVersion']}")
