"""`steer diff -f FILE`: what `apply` would change, told by diff(1) or the program in KUBECTL_EXTERNAL_DIFF."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from api.errors import ApiError, NotFound
from cli.steer.applying import tried_by_server
from cli.steer.failures import Failure
from cli.steer.files import FILES
from cli.steer.manifests import Manifest, Source, manifests
from cli.steer.output.documents import as_yaml
from cli.steer.session import Object, Session, with_session
from cli.steer.writing import failed, options

_HIDDEN = "***"


@click.command("diff")
@options(FILES)
@with_session
def command(session: Session, filename: tuple[Source, ...], recursive: bool) -> int:
    """Diff the live version against a would-be applied version; the exit code is 1 when they differ."""
    with tempfile.TemporaryDirectory(prefix="LIVE-") as live, tempfile.TemporaryDirectory(prefix="MERGED-") as merged:
        for item, there, then in _pairs(session, manifests(session, filename, recursive=recursive)):
            name = ".".join(filter(None, (*item.kind.api_version.split("/"), item.kind.kind,
                                          item.namespace(session), item.name)))  # fmt: skip
            _write(Path(live) / name, there)
            _write(Path(merged) / name, then)
        return _compared(live, merged)


def _pairs(session: Session, items: Iterator[Manifest]) -> Iterator[tuple[Manifest, Object | None, Object]]:
    """Each object as it is, and as it would be."""
    for item in items:
        namespace = item.namespace(session)
        try:
            there: Object | None = session.get(item.kind, item.name, namespace)
        except NotFound:
            there = None
        try:
            then = tried_by_server(session, item, there)
        except ApiError as error:
            raise failed(error, "applying", item.source) from error
        if item.kind.kind == "Secret":
            there, then = _hidden(there, then)
        yield item, there, then


def _hidden(there: Object | None, then: Object) -> tuple[Object | None, Object]:
    """Secrets are told apart and not told."""
    before: dict[str, Any] = (there or {}).get("data") or {}
    after: dict[str, Any] = then.get("data") or {}
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    def shown(data: dict[str, Any], mark: str) -> dict[str, str]:
        return {key: f"{_HIDDEN}{mark if key in changed else ''}" for key in data}

    masked = None if there is None else {**there, "data": shown(before, " (before)")}
    return masked, {**then, "data": shown(after, " (after)")}


def _write(file: Path, found: Object | None) -> None:
    if found is None:
        return
    meta = {key: value for key, value in found["metadata"].items() if key not in ("managedFields", "resourceVersion")}
    file.write_text(as_yaml({**found, "metadata": meta}))


def _compared(live: str, merged: str) -> int:
    program = shlex.split(os.environ.get("KUBECTL_EXTERNAL_DIFF") or "diff -u -N")
    try:
        code = subprocess.run([*program, live, merged], check=False).returncode
    except OSError as error:
        raise Failure(f"failed to run {program[0]!r}: {error.strerror}", exit_code=2) from error
    if code > 1:
        raise Failure(f"{program[0]} ended with exit code {code}", exit_code=code)
    return code
