"""`steer create -f FILE`, and `steer create namespace NAME`."""

import click

from api.errors import ApiError
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest, manifests
from cli.steer.session import Session, with_session
from cli.steer.writing import DRY_RUN, OPTIONS, each, failed, options, outcome


@click.command("create")
@click.argument("words", nargs=-1, metavar="[namespace NAME]")
@options(OPTIONS, DRY_RUN)
@with_session
def command(
    session: Session, words: tuple[str, ...], filename: tuple[str, ...], recursive: bool, dry_run: str, output: str
) -> None:
    """Create resources from files or from stdin."""

    def create(item: Manifest) -> None:
        _create(session, item, form=output, dry_run=dry_run)

    if words:
        each([_namespace(session, words)], create)
        return
    each(manifests(session, filename, recursive=recursive), create)


def _namespace(session: Session, words: tuple[str, ...]) -> Manifest:
    if words[0] not in ("namespace", "ns") or len(words) != 2:
        raise Failure(f"unknown command {' '.join(words)!r}: a file (-f), or `namespace NAME`, is created")
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": words[1]}}
    return Manifest(document, session.discovery.find("namespaces"), "")


def _create(session: Session, item: Manifest, *, form: str, dry_run: str) -> None:
    namespace = item.namespace(session)
    if dry_run == "client":
        meta = {**item.document["metadata"], **({"namespace": namespace} if namespace else {})}
        outcome(item, "created", {**item.document, "metadata": meta}, form=form, dry_run=dry_run)
        return
    query = {
        "fieldManager": "steer-create",
        "fieldValidation": "Strict",
        "dryRun": "All" if dry_run == "server" else "",
    }
    try:
        made = session.call("POST", item.kind.path(namespace), query=query, body=item.document)
    except ApiError as error:
        if not item.source:
            raise
        raise failed(error, "creating", item.source) from error
    outcome(item, "created", made, form=form, dry_run=dry_run)
