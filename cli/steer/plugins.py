"""Programs named ``steer-*`` on the PATH are verbs too, as ``kubectl-*`` are of kubectl.

``steer a b-c d`` runs ``steer-a-b_c d`` when there is one, else ``steer-a b-c d``. A verb of steer's own goes before.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from cli.steer.failures import Failure

PREFIX = "steer-"


def run_plugin(words: Sequence[str]) -> None:
    """Becomes the program of the longest name that there is. Returns when there is none. Raises Failure."""
    said = list(takewhile(lambda word: not word.startswith("-"), words))
    while said:
        name = PREFIX + "-".join(word.replace("-", "_") for word in said)
        if "/" not in name and (path := shutil.which(name)):
            try:
                os.execv(path, [path, *words[len(said) :]])
            except OSError as error:
                raise Failure(f"{path}: {error.strerror}") from error
        said.pop()


def on_path() -> Iterator[Path]:
    """Every file of such a name, in the order of the PATH."""
    folders = dict.fromkeys(filter(None, os.environ.get("PATH", "").split(os.pathsep)))
    for folder in map(Path, folders):
        if folder.is_dir():
            yield from sorted(file for file in folder.iterdir() if file.name.startswith(PREFIX) and not file.is_dir())


def warnings(files: Sequence[Path], verbs: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """What is wrong with which of them."""
    first: dict[str, Path] = {}
    for file in files:
        verb = file.name.removeprefix(PREFIX)
        if not os.access(file, os.X_OK):
            yield file, f"{file} identified as a steer plugin, but it is not executable"
        if file.name in first:
            yield file, f"{file} is overshadowed by a similarly named plugin: {first[file.name]}"
        elif verb in verbs:
            yield file, f'{file.name} overwrites existing command: "steer {verb}"'
        first.setdefault(file.name, file)
