"""The four directories of a cluster: whose they are, and their removal.

A directory that was made for the cluster, or found empty, gets a marker that says so; only a directory with our marker
is ever removed, so that `--data-dir /srv` cannot cost anyone /srv. Removal never crosses a mount point.
"""

import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import msgspec

from cli.cluster import Settings
from cli.errors import CommandError
from client.files import write_atomically

MARKER = ".steersman"
PRIVATE = 0o700
PUBLIC = 0o755


@dataclass(frozen=True, slots=True)
class Claim:
    """What a marker says: the cluster, and the parent directories that were made for it, deepest first."""

    cluster: str
    parents: tuple[str, ...] = ()


def directories_of(settings: Settings) -> tuple[tuple[Path, int], ...]:
    """The cluster's directories with their modes; the one with the settings last, for it is removed last."""
    return (
        (settings.data, PRIVATE),
        (settings.run, PUBLIC),
        (settings.logs, PUBLIC),
        (settings.config, PRIVATE),
    )


def claim_all(settings: Settings) -> None:
    """Make the directories and mark those that are ours; CommandError when one belongs to another cluster."""
    ours: set[str] = set()
    for path, mode in directories_of(settings):
        ours.update(claim(path, settings.name, mode=mode, ours=frozenset(ours)).parents)


def claim(path: Path, cluster: str, *, mode: int, ours: frozenset[str] = frozenset()) -> Claim:
    """Make one directory and mark it. One with content of others is used, but not marked.

    `ours` are directories made for this cluster before: a parent among them is removed by whoever leaves it empty.
    """
    present = read_claim(path)
    if present is not None:
        if present.cluster != cluster:
            raise CommandError(
                f"{path} belongs to cluster {present.cluster!r}, not to {cluster!r}",
                hint="choose another --root, or the directories one by one",
            )
        return present
    there = path.is_dir()
    claimed = Claim(cluster, () if there else _parents_to_remove(path, ours))
    if not there:
        _make(path, mode)
    if not any(path.iterdir()):
        write_atomically(path / MARKER, msgspec.json.encode(claimed))
    return claimed


def _parents_to_remove(path: Path, ours: frozenset[str]) -> tuple[str, ...]:
    return tuple(map(str, takewhile(lambda one: not one.exists() or str(one) in ours, path.parents)))


def _make(path: Path, mode: int) -> None:
    try:
        path.mkdir(parents=True, mode=mode)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error


def read_claim(path: Path) -> Claim | None:
    """What the directory's marker says; None without one."""
    try:
        return msgspec.json.decode((path / MARKER).read_bytes(), type=Claim)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError as error:
        raise CommandError(
            f"{path / MARKER} cannot be read: {error}", hint="remove it if the directory is yours"
        ) from error


def remove_tree(path: Path, claim: Claim) -> list[str]:
    """Remove the directory with all in it, then parents that were made for it and are empty; what was removed.

    CommandError when a mount point lies in it: what is mounted belongs to another file system.
    """
    _refuse_mounts(path)
    device = path.lstat().st_dev
    for folder, names, files in os.walk(path, topdown=False):
        for name in (*files, *names):
            entry = Path(folder, name)
            status = entry.lstat()
            if status.st_dev != device:
                raise CommandError(f"{entry} is on another file system: nothing on it was removed")
            if entry.is_dir() and not entry.is_symlink():
                entry.rmdir()
            elif entry != path / MARKER:
                entry.unlink()
    (path / MARKER).unlink(missing_ok=True)  # last: a removal that was broken off can be done again
    path.rmdir()
    return [str(path), *_remove_parents(claim)]


def _remove_parents(claim: Claim) -> list[str]:
    removed = []
    for parent in claim.parents:
        try:
            Path(parent).rmdir()
        except OSError:  # in use by others, or gone: both fine
            break
        removed.append(parent)
    return removed


def mounts_below(path: Path, *, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Mount points in the directory, deepest first. Format: proc_pid_mountinfo(5)."""
    real = path.resolve()
    found = []
    for line in mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        point = Path(_unescape(line.split(" ")[4]))
        if point != real and point.is_relative_to(real):
            found.append(point)
    return sorted(found, key=lambda one: len(one.parts), reverse=True)


def _unescape(text: str) -> str:
    r"""Space, tab, newline and backslash stand as \040, \011, \012, \134."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _refuse_mounts(path: Path) -> None:
    mounts = mounts_below(path)
    if mounts:
        raise CommandError(
            f"{path} has mounted file systems in it: {', '.join(map(str, mounts))}", hint="unmount them first"
        )
