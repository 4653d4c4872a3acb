"""`steersman snapshot save | restore | inspect FILE`: the state of a cluster as one file, and back.

`save` works while the cluster runs and does not hold it up. `restore` makes a new store and never replaces one: it is
refused while the cluster runs, and where there is a store already. `inspect` needs no cluster. Certificates and
settings lie in the cluster's config directory and are not in the file, which holds secrets as they are.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cli.cluster import Settings, add_location_flags, complete, is_installed, load
from cli.components import component
from cli.derive import config_of
from cli.errors import CommandError
from cli.progress import say
from cli.table import render, size
from cli.up import running_supervisor

if TYPE_CHECKING:
    from master.store.etcd.options import EtcdOptions
    from master.store.snapshot import Snapshot
    from master.store.sqlite import SqliteOptions

ACTIONS = ("save", "restore", "inspect")


def main(arguments: list[str]) -> int:
    """Do it; CommandError when it cannot be done."""
    namespace = _parser().parse_args(arguments)
    file = Path(namespace.file).absolute()
    if namespace.action == "inspect":
        _show(file)
        return 0
    settings, _ = load(namespace)
    if not is_installed(settings):
        raise CommandError(f"no cluster in {settings.config}", hint="steersman up makes one")
    if namespace.action == "save":
        _save(settings, file)
    else:
        _restore(settings, file)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steersman snapshot", description="Save the state of the cluster to a file, or make a new store of one."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="save|restore|inspect")
    for name, what in (
        ("save", "write the state to a file, also while the cluster runs"),
        ("restore", "make the cluster's store of a file; the cluster must be down and have no store"),
        ("inspect", "check a file and print what it holds"),
    ):
        action = actions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        action.add_argument("file", metavar="FILE")
        if name != "inspect":
            add_location_flags(action)
    return parser


def _save(settings: Settings, file: Path) -> None:
    from master.store.contract import StoreError
    from master.store.snapshot import save

    try:
        snapshot = save(_store(settings), file)
    except StoreError as error:
        raise CommandError(str(error)) from error
    say(f"saved {snapshot.records} records at revision {snapshot.revision} to {file}")


def _restore(settings: Settings, file: Path) -> None:
    from master.store.contract import StoreError, StoreUnusable
    from master.store.snapshot import SnapshotError, restore
    from master.store.sqlite import SqliteOptions

    running = running_supervisor(settings)
    if running is not None:
        raise CommandError(
            f"cluster {settings.name} is running (supervisor pid {running.pid})", hint="first: steersman down"
        )
    store = _store(settings)
    try:
        if isinstance(store, SqliteOptions):
            _make_folder(store.path.parent)
        snapshot = restore(file, store)
    except SnapshotError as error:
        raise CommandError(str(error)) from error
    except StoreUnusable as error:
        raise CommandError(str(error), hint="nothing was restored; a store that is there is never replaced") from error
    except StoreError as error:
        raise CommandError(str(error)) from error
    say(f"restored {snapshot.records} records of {_moment(snapshot)}; steersman up starts the cluster with them")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error.strerror}") from error


def _store(settings: Settings) -> "SqliteOptions | EtcdOptions":
    """Where the cluster's API server keeps the state, by all that it is told."""
    from master.apiserver.storage import store_options

    return store_options(config_of(component("apiserver"), complete(settings)))


def _show(file: Path) -> None:
    from master.store.snapshot import SnapshotError, inspect

    try:
        snapshot = inspect(file)
    except SnapshotError as error:
        raise CommandError(str(error)) from error
    row = (_moment(snapshot), snapshot.source, str(snapshot.revision), str(snapshot.records), size(snapshot.bytes))
    say(render(("MADE", "FROM", "REVISION", "RECORDS", "SIZE"), [row]))


def _moment(snapshot: "Snapshot") -> str:
    return f"{snapshot.made:%Y-%m-%dT%H:%M:%SZ}"
