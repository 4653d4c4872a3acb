"""`steer cluster-info dump`: all that is there and was said, to be looked into elsewhere, as kubectl arranges it."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from api.errors import ApiError
from cli.steer.output.printing import printer
from cli.steer.pods import containers
from cli.steer.session import Session
from client import Unreachable

# By the names of their files.
_KINDS = (
    ("events", "events.v1"), ("replication-controllers", "replicationcontrollers"), ("services", "services"),
    ("daemonsets", "daemonsets.apps"), ("deployments", "deployments.apps"), ("replicasets", "replicasets.apps"),
    ("pods", "pods"),
)  # fmt: skip


def dump(session: Session, spaces: Sequence[str], folder: str, form: str) -> None:
    """To standard output, or into files below a folder."""
    _Dump(session, Path(folder) if folder and folder != "-" else None, form).all(spaces)


class _Dump:
    def __init__(self, session: Session, folder: Path | None, form: str) -> None:
        self._session, self._folder, self._form = session, folder, form
        self._ending = {"json": ".json", "yaml": ".yaml"}.get(form, ".txt")

    def all(self, spaces: Sequence[str]) -> None:
        self._list("nodes", "nodes", "")
        for space in spaces:
            for name, word in _KINDS:
                self._list(f"{space}/{name}", word, space)
            for pod in self._session.list(self._session.discovery.find("pods"), space):
                names = [one["name"] for one in containers(pod)]
                self._logs(space, pod["metadata"]["name"], names)
        if self._folder is not None:
            print(f"Cluster info dumped to {self._folder}")

    def _list(self, file: str, word: str, space: str) -> None:
        kind = self._session.discovery.find(word)
        found = self._session.call("GET", kind.path(space))
        show = printer(self._form, name_of=lambda one: one.get("kind", ""), as_one=True)
        if self._folder is None:
            show([found])
            return
        path = self._folder / f"{file}{self._ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as out, redirect_stdout(out):
            show([found])

    def _logs(self, space: str, pod: str, names: Sequence[str]) -> None:
        if self._folder is None:
            self._print_logs(space, pod, names)
            return
        path = self._folder / space / pod / "logs.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as out, redirect_stdout(out):
            self._print_logs(space, pod, names)

    def _print_logs(self, space: str, pod: str, names: Sequence[str]) -> None:
        path = self._session.discovery.find("pods").path(space, pod, "log")
        for name in names:
            about = f"logs for container {name} of pod {space}/{pod} ====\n"
            sys.stdout.write(f"==== START {about}")
            try:
                text = self._session.transport.request("GET", path, query={"container": name}, accept="*/*")
                sys.stdout.write(text.decode(errors="replace"))
            except (ApiError, Unreachable) as error:
                sys.stdout.write(f"Request log error: {error}\n")
            sys.stdout.write(f"==== END {about}")
