"""`steer cp SOURCE TARGET`: files and folders to and from a container, as tar through `exec`."""

import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import click

from cli.steer.failures import Failure
from cli.steer.pods import container_meant, pod_meant
from cli.steer.remote import exec_input, exec_output
from cli.steer.session import Session, with_session

_PIECE = 32 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A path, in a pod or (``pod`` empty) here."""

    path: str
    pod: str = ""
    namespace: str = ""


def place(text: str) -> Place:
    """``[NAMESPACE/]POD:PATH`` or a local path. Raises Failure."""
    before, colon, path = text.partition(":")
    if not colon or before.startswith((".", "/")) or Path(text).exists():
        return Place(text)
    namespace, _, pod = before.rpartition("/")
    if not pod or "/" in namespace:
        raise Failure("filespec must match the canonical format: [[namespace/]pod:]file/path")
    return Place(path, pod, namespace)


@click.command("cp")
@click.argument("source")
@click.argument("target")
@click.option("-c", "--container", default="", help="The container; the pod's first when not said.")
@click.option("--no-preserve", is_flag=True, help="Do not keep owner and mode of what is copied.")
@with_session
def command(session: Session, source: str, target: str, container: str, no_preserve: bool) -> None:
    """Copy files and directories to and from containers; the container needs tar."""
    here, there = place(source), place(target)
    if bool(here.pod) == bool(there.pod):
        raise Failure("one of src or dest must be a local file specification" if here.pod else
                      "one of src or dest must be a remote file specification")  # fmt: skip
    if not (here.path and there.path):
        raise Failure("filepath can not be empty")
    remote = here if here.pod else there
    told = session.of(namespace=remote.namespace) if remote.namespace else session
    container = container_meant(pod_meant(told, remote.pod), container)["name"]
    if here.pod:
        _fetch(told, here, Path(there.path), container)
    else:
        _send(told, Path(here.path), there, container, keep=not no_preserve)


def _send(session: Session, source: Path, target: Place, container: str, *, keep: bool) -> None:
    if not source.exists():
        raise Failure(f"{source} doesn't exist in local filesystem")
    path = PurePosixPath(target.path)
    into = target.path.endswith("/") or _is_folder(session, target, container)
    folder, name = (path, source.resolve().name) if into else (path.parent, path.name)
    flags = [] if keep else ["--no-same-permissions", "--no-same-owner"]
    unpack = ["tar", "-xmf", "-", "-C", str(folder), *flags]
    code = exec_input(session, target.pod, container, unpack, _packed(source, name))
    if code:
        raise Failure("", exit_code=code)


def _is_folder(session: Session, target: Place, container: str) -> bool:
    said: list[bytes] = []
    command = ["sh", "-c", '[ -d "$1" ] && echo yes || true', "sh", target.path]
    return exec_output(session, target.pod, container, command, said.append) == 0 and b"yes" in b"".join(said)


def _packed(source: Path, name: str) -> Iterator[bytes]:
    """The archive, piece by piece, while it is made."""
    reader, writer = os.pipe()

    def pack() -> None:
        with os.fdopen(writer, "wb") as out, tarfile.open(fileobj=out, mode="w|") as archive:
            archive.add(source, arcname=name)

    packer = threading.Thread(target=pack, name="steer-pack", daemon=True)
    packer.start()
    with os.fdopen(reader, "rb") as pieces:
        while piece := pieces.read(_PIECE):
            yield piece
    packer.join()


def _fetch(session: Session, source: Place, target: Path, container: str) -> None:
    path = PurePosixPath(source.path)
    if target.is_dir():
        target /= path.name
    reader, writer = os.pipe()
    wrong: list[BaseException] = []

    def unpack() -> None:
        try:
            with os.fdopen(reader, "rb") as pieces:
                _unpacked(pieces, path.name, target)
                while pieces.read(_PIECE):
                    pass
        except (OSError, tarfile.TarError, Failure) as error:
            wrong.append(error)

    unpacker = threading.Thread(target=unpack, name="steer-unpack", daemon=True)
    unpacker.start()
    with os.fdopen(writer, "wb") as out:
        command = ["tar", "-cf", "-", "-C", str(path.parent), path.name]
        code = exec_output(session, source.pod, container, command, out.write)
    unpacker.join()
    if code:
        raise Failure("", exit_code=code)
    if wrong:
        raise Failure(str(wrong[0]))


def _unpacked(pieces: IO[bytes], top: str, target: Path) -> None:
    """Everything below ``top`` to below ``target``; what would lead outside of it is refused."""
    with tarfile.open(fileobj=pieces, mode="r|") as archive:
        for member in archive:
            inside = PurePosixPath(member.name)
            parts = inside.parts
            if not parts or parts[0] != top or ".." in parts or inside.is_absolute():
                raise Failure(f"tar contents corrupted: {member.name!r} is not below {top!r}")
            where = target.joinpath(*parts[1:])
            if member.issym() or member.islnk():
                print(f"warning: skipping symlink: {str(where)!r} -> {member.linkname!r}")
            elif member.isdir():
                where.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                _written(archive, member, where)


def _written(archive: tarfile.TarFile, member: tarfile.TarInfo, where: Path) -> None:
    content: Any = archive.extractfile(member)
    where.parent.mkdir(parents=True, exist_ok=True)
    if where.is_symlink():
        raise Failure(f"{where} is a link: it is not written through")
    with where.open("wb") as out:
        while piece := content.read(_PIECE):
            out.write(piece)
    where.chmod(member.mode & 0o777)
