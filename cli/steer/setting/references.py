"""`steer set serviceaccount`, `set selector` and `set subject`."""

from typing import Any

import click

from cli.steer.creating.rights import SUBJECTS, subjects_of
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.selection import NOTHING_SAID
from cli.steer.session import Object, Session, with_session
from cli.steer.setting.changing import change_each, of_pods, split
from cli.steer.targets import WHICH, targets
from cli.steer.verbs.expose import pairs
from cli.steer.writing import DRY_RUN, options


@click.command("serviceaccount")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME SERVICE_ACCOUNT")
@options(WHICH, DRY_RUN)
@with_session
def serviceaccount(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update the service account of a pod template."""
    if not words:
        raise Failure("serviceaccount is required")
    *what, name = words
    if not what and not flags["filename"]:
        raise Failure(NOTHING_SAID)

    def change(item: Manifest, document: Object) -> None:
        of_pods(item, document).update({"serviceAccountName": name, "serviceAccount": name})

    change_each(session, targets(session, what, flags), flags, change, "serviceaccount updated", always=True)


@click.command("selector")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME LABELS")
@options(WHICH, DRY_RUN)
@with_session
def selector(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Set the selector of a service: labels, as a=b,c=d, in place of those it had."""
    what, said = split(words, lambda word: "=" in word)
    wanted = pairs(",".join(said))

    def change(item: Manifest, document: Object) -> None:
        if item.kind.kind != "Service":
            raise Failure("setting a selector is only supported for Services")
        document["spec"]["selector"] = wanted

    if not words:
        raise Failure("one selector is required")
    items = list(targets(session, what, flags))
    if not wanted:
        raise Failure("one selector is required")
    change_each(session, items, flags, change, "selector updated", always=True)


@click.command("subject")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@options(WHICH, SUBJECTS, DRY_RUN)
@with_session
def subject(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Add users, groups and service accounts to a role binding or cluster role binding."""
    items = list(targets(session, words, flags))
    if not any(flags[name] for name in ("user", "group", "serviceaccount")):
        raise Failure("you must specify at least one value of user, group or serviceaccount")
    added = subjects_of(flags)

    def change(item: Manifest, document: Object) -> None:
        if item.kind.kind not in ("RoleBinding", "ClusterRoleBinding"):
            raise Failure(
                f"{item.kind.plural}/{item.name} setting subjects is only supported for RoleBinding/ClusterRoleBinding"
            )
        there = document.get("subjects") or []
        document["subjects"] = there + [one for one in added if one not in there]

    change_each(session, items, flags, change, "subjects updated")
