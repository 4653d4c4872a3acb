"""`steer api-versions`."""

import click

from cli.steer.session import Session, with_session


@click.command("api-versions")
@with_session
def command(session: Session) -> None:
    """Print the supported API versions on the server, in the form of "group/version"."""
    for version in sorted({kind.api_version for kind in session.discovery.kinds}):
        print(version)
