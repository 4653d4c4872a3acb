"""`steer certificate approve|deny NAME…`: what becomes of a CertificateSigningRequest, where the server has them."""

from datetime import UTC, datetime
from typing import Any

import click

from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, manifests
from cli.steer.output.flags import OUTPUT
from cli.steer.reaching import with_common
from cli.steer.session import Session, with_session
from cli.steer.writing import each, options, outcome

_KIND = "certificatesigningrequests"


@click.group("certificate")
@with_common
def command() -> None:
    """Modify certificate resources."""


def _verb(name: str, *, condition: str, other: str, done: str) -> None:
    @command.command(name, help=f"{name.capitalize()} a certificate signing request.")
    @click.argument("names", nargs=-1, metavar="NAME…")
    @options(FILES, OUTPUT)
    @click.option("--force", is_flag=True, help="Also one that is so already.")
    @with_session
    def verb(session: Session, names: tuple[str, ...], **flags: Any) -> None:
        if not names and not flags["filename"]:
            raise Failure("one or more CSRs must be specified as <name> or -f <filename>")
        kind = session.discovery.find(_KIND)

        def decide(item: Manifest) -> None:
            found = session.get(kind, item.name, "")
            conditions = (found.setdefault("status", {})).setdefault("conditions", [])
            if any(one["type"] == other for one in conditions):
                raise Failure(f'certificate signing request "{item.name}" is already {other}')
            is_so = any(one["type"] == condition for one in conditions)
            if flags["force"] or not is_so:
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                conditions[:] = [one for one in conditions if one["type"] != condition]
                conditions.append({
                    "type": condition, "status": "True", "reason": f"Steer{condition}", "lastUpdateTime": now,
                    "message": f"This CSR was {done} by steer certificate {name}.",
                })  # fmt: skip
                found = session.call("PUT", kind.path("", item.name, "approval"), body=found)
            outcome(item, done, found, form=flags["output"], dry_run="none")

        given = [Manifest({"metadata": {"name": one}}, kind, "") for one in names]
        each([*given, *(manifests(session, flags["filename"]) if flags["filename"] else ())], decide)


_verb("approve", condition="Approved", other="Denied", done="approved")
_verb("deny", condition="Denied", other="Approved", done="denied")
