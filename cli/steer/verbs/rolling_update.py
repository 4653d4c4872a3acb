"""`steer rolling-update OLD -f NEW.yaml`, `steer rolling-update OLD [NEW] --image=IMAGE`."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cli.steer.durations import DURATION
from cli.steer.failures import Failure
from cli.steer.manifests import manifests
from cli.steer.rolling import NEXT, SOURCE, Counts, Pace, Update, desired_of, template_digest, with_image
from cli.steer.session import Object, Session, with_session


@click.command("rolling-update")
@click.argument("old")
@click.argument("new", required=False, default="")
@click.option("-f", "--filename", default="", help="A file with the new replication controller.")
@click.option("--image", default="", help="The image of the new pods, when all else stays as it is.")
@click.option("--container", default="", help="With --image: whose image it is, when a pod has several containers.")
@click.option("--update-period", type=DURATION, default="1m0s", help="Time between one pod and the next.")
@click.option("--poll-interval", type=DURATION, default="3s", help="Time between looks at the pods.")
@click.option("--timeout", type=DURATION, default="5m0s", help="How long a pod may take to become ready.")
@click.option(
    "--rollback", is_flag=True, help="Go back: the old controller gets its pods again, the new one is removed."
)
@click.option("--deployment-label-key", default="deployment", help="With --image: the label that tells the pods apart.")
@with_session
def command(session: Session, old: str, new: str, **flags: Any) -> None:
    """Replace the pods of a replication controller, one at a time. Interrupted, it goes on when called again."""
    if bool(flags["filename"]) == bool(flags["image"]) and not (flags["rollback"] and new):
        raise Failure("one of --filename and --image must be specified")
    pace = Pace(
        period_s=flags["update_period"],
        poll_s=flags["poll_interval"],
        timeout_s=flags["timeout"],
    )
    with _Shown() as shown:
        update = Update(session, pace, say=shown.say, look=shown.look)
        if flags["rollback"]:
            _back(update, old, new or _new_name(session, update, old, flags))
            shown.say(f"replicationcontroller/{old} rolling updated")
            return
        name = _forward(session, update, old, new, flags)
        shown.say(f"replicationcontroller/{name} rolling updated")


def _forward(session: Session, update: Update, old: str, new: str, flags: dict[str, Any]) -> str:
    """The name that the controller has in the end."""
    there = update.find(old)
    if flags["image"]:
        return _to_image(update, there, old, new, flags)
    wanted = _from_file(session, flags["filename"])
    name = str(wanted["metadata"]["name"])
    if there is None:
        return _finished(update, old, name)
    if name == old:
        raise Failure(f"{flags['filename']} cannot have the same name as the existing ReplicationController {old}")
    _check_apart(there, wanted)
    desired = desired_of(update.begin(there, wanted))
    update.run(old, name, desired)
    update.clear(name)
    _drop(update, old)
    return name


def _to_image(update: Update, there: Object | None, old: str, new: str, flags: dict[str, Any]) -> str:
    key = flags["deployment_label_key"]
    if there is None:
        unfinished = new and update.find(new)
        if not unfinished:
            update.must_find(old)
        return _finished(update, old, new)
    before = template_digest(there["spec"]["template"])
    there = update.set_apart(there, key, before)
    wanted = with_image(there, new, flags["image"], key=key, container=flags["container"])
    under_way = (there["metadata"].get("annotations") or {}).get(NEXT)
    if under_way and not new:
        wanted["metadata"]["name"] = under_way
        found = update.find(under_way)
        if found is not None and _images(found) != _images(wanted):
            raise Failure(
                f"an update of {old} to {', '.join(_images(found))} is under way: finish it, or go back with --rollback"
            )
    name = str(wanted["metadata"]["name"])
    update.note(old, NEXT, name)
    desired = desired_of(update.begin(there, wanted))
    update.run(old, name, desired)
    if new:
        update.clear(name)
        _drop(update, old)
        return name
    _drop(update, old)
    update.rename(name, old)
    return old


def _images(controller: Object) -> list[str]:
    return [one["image"] for one in controller["spec"]["template"]["spec"]["containers"]]


def _drop(update: Update, old: str) -> None:
    print(f"Update succeeded. Deleting old controller: {old}", flush=True)
    update.remove(old)


def _finished(update: Update, old: str, name: str) -> str:
    """The old one is gone already: all that may be left is to clear up."""
    there = update.must_find(name)
    source = (there["metadata"].get("annotations") or {}).get(SOURCE, "")
    if source and source.partition(":")[0] != old:
        raise Failure(f"{name} is no update of {old}")
    update.clear(name)
    return name


def _back(update: Update, old: str, new: str) -> None:
    there = update.must_find(old)
    if update.find(new) is None:
        raise Failure(f"there is no update of {old} to go back from: replicationcontroller {new!r} not found")
    print(f"Setting {old!r} replicas to {desired_of(there)}, removing {new!r}", flush=True)
    update.run(new, old, desired_of(there))
    update.remove(new)
    update.clear(old)


def _new_name(session: Session, update: Update, old: str, flags: dict[str, Any]) -> str:
    if flags["filename"]:
        return str(_from_file(session, flags["filename"])["metadata"]["name"])
    noted = (update.must_find(old)["metadata"].get("annotations") or {}).get(NEXT)
    if not noted:
        raise Failure(f"there is no update of {old} to go back from")
    return str(noted)


def _from_file(session: Session, filename: str) -> Object:
    found = list(manifests(session, (filename,)))
    if len(found) != 1 or found[0].kind.kind != "ReplicationController":
        raise Failure(f"{filename} contains no single ReplicationController")
    return found[0].document


def _check_apart(old: Object, new: Object) -> None:
    """Neither may take the other's pods for its own."""
    before = old["spec"]["selector"]
    after = new["spec"].get("selector") or new["spec"]["template"]["metadata"]["labels"]
    if not any(key in before and before[key] != value for key, value in after.items()):
        raise Failure(f"{new['metadata']['name']} must specify a matching key with non-equal value in Selector for "
                      f"{old['metadata']['name']}")  # fmt: skip


class _Shown:
    """Steps as lines; on a terminal also how far it is."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        if sys.stdout.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[told]}"),
                console=Console(),
                transient=True,
            )
            self._task = self._bar.add_task("", total=1, told="")

    def __enter__(self) -> "_Shown":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        print(text, flush=True)

    def look(self, new: str, counts: Counts, desired: int) -> None:
        if self._bar is not None:
            told = f"{counts.new_ready} of {desired} new pods ready, {counts.old_wanted} old ones left"
            self._bar.update(self._task, description=new, total=max(desired, 1), completed=counts.new_ready, told=told)
