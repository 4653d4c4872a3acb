"""The data of config maps and secrets: from words, files, folders and files of variables."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cli.steer.failures import Failure

FLAGS = (
    click.option("--from-literal", multiple=True, help="A key and its value, as a=b."),
    click.option("--from-file", multiple=True, help="A file or folder, or a file under another key, as a=file."),
    click.option("--from-env-file", multiple=True, help="A file with a line a=b for each key."),
    click.option("--append-hash", is_flag=True, help="A hash of the content becomes part of the name."),
)
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
VARIABLE_RULE = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
    "'[-._a-zA-Z][-._a-zA-Z0-9]*')"
)


def data(kind: str, name: str, flags: dict[str, Any]) -> dict[str, bytes]:
    """All keys with their contents; ``kind`` and ``name`` are for messages. Raises Failure."""
    if flags["from_env_file"] and (flags["from_file"] or flags["from_literal"]):
        raise Failure("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}
    for key, value in _all(flags):
        if not _KEY.fullmatch(key):
            raise Failure(f'"{key}" is not a valid key name for a {kind}: {_KEY_RULE}')
        if key in found:
            raise Failure(
                f'cannot add key "{key}", another key by that name already exists in Data for {kind} "{name}"'
            )
        found[key] = value
    return dict(sorted(found.items()))


def _all(flags: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for text in flags["from_file"]:
        yield from _of_file(text)
    for text in flags["from_literal"]:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise Failure(f"invalid literal source {text}, expected key=value")
        yield key, value.encode()
    for name in flags["from_env_file"]:
        yield from variables(read(name))


def _of_file(text: str) -> Iterator[tuple[str, bytes]]:
    key, equals, name = text.rpartition("=")
    if equals and not key:
        raise Failure(f"key name for file path {name} missing")
    if equals and not name:
        raise Failure(f"file path for key name {key} missing")
    path = Path(name)
    if not path.is_dir():
        yield key or path.name, read(name)
        return
    if key:
        raise Failure("cannot give a key name for a directory path")
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.is_symlink():
            yield file.name, read(str(file))


def read(name: str) -> bytes:
    """Raises Failure."""
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise Failure(f"error reading {name}: no such file or directory") from error
    except OSError as error:
        raise Failure(f"error reading {name}: {error.strerror}") from error


def variables(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A line a=b for each; one without a value means the variable of that name here."""
    for line in content.decode(errors="replace").removeprefix("\ufeff").splitlines():
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not VARIABLE.fullmatch(key):
            raise Failure(f'"{key}" is not a valid key name: {VARIABLE_RULE}')
        yield key, (value if equals else os.environ.get(key, "")).encode()
