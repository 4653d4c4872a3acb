"""`steer set env TYPE/NAME NAME=VALUE… NAME-…`: the variables of a pod template, and what they are (`--list`)."""

import base64
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click

from cli.steer.creating.sources import VARIABLE, VARIABLE_RULE, variables
from cli.steer.failures import Failure
from cli.steer.manifests import Manifest
from cli.steer.session import Object, Session, with_session
from cli.steer.setting.changing import CONTAINERS, change_each, containers, of_pods, split
from cli.steer.targets import WHICH, targets
from cli.steer.writing import DRY_RUN, each, options

_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class _Wish:
    """Variables to set, in order, and names of those to take away."""

    set: list[Object]
    unset: list[str]
    overwrite: bool


@click.command("env")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME NAME=VALUE… NAME-… [-]")
@options(WHICH, CONTAINERS, DRY_RUN)
@click.option("-e", "--env", multiple=True, help="A variable, as NAME=VALUE.")
@click.option("--from", "source", default="", help="A configmap/NAME or secret/NAME all of whose keys are set.")
@click.option("--prefix", default="", help="Before the names that --from sets.")
@click.option("--keys", default="", help="Of --from only these, with commas.")
@click.option("--list", "listed", is_flag=True, help="Print the variables, in place of writing them.")
@click.option("--resolve", is_flag=True, help="With --list: print what config maps and secrets say.")
@click.option("--overwrite/--no-overwrite", default=True, help="A variable that has another value may be changed.")
@with_session
def env(session: Session, words: tuple[str, ...], **flags: Any) -> None:
    """Update environment variables on a pod template."""
    what, said = split(words, lambda word: "=" in word or word.endswith("-"))
    if not (what or flags["filename"]):
        raise Failure("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    wish = _wish(session, [*flags["env"], *said], flags)

    def change(item: Manifest, document: Object) -> None:
        pods = of_pods(item, document)
        found = list(containers(pods, flags["containers"]))
        if not found:
            print(f'Warning: {item.kind.kind}/{item.name} does not have any containers matching '
                  f'"{flags["containers"]}"', file=sys.stderr)  # fmt: skip
        for one in found:
            _apply(one, wish, f"{item.kind.plural}/{item.name}")

    items = targets(session, what, flags)
    if flags["listed"]:
        each(items, lambda item: _list(session, item, change, resolve=flags["resolve"], pattern=flags["containers"]))
        return
    change_each(session, items, flags, change, "env updated")


def _wish(session: Session, said: Iterable[str], flags: dict[str, Any]) -> _Wish:
    wanted: list[Object] = []
    unset: list[str] = []
    for word in said:
        name, equals, value = word.partition("=")
        if word == "-":
            wanted += [{"name": key, "value": text.decode()} for key, text in variables(sys.stdin.buffer.read())]
        elif not equals:
            unset.append(word[:-1])
        elif not VARIABLE.fullmatch(name):
            raise Failure(f'"{name}" is not a valid key name: {VARIABLE_RULE}')
        else:
            wanted.append({"name": name, "value": value})
    if {one["name"] for one in wanted} & set(unset):
        raise Failure("can not both modify and remove the same environment variable in the same command")
    if flags["source"]:
        wanted += _from(session, flags["source"], flags["prefix"], flags["keys"])
    return _Wish(wanted, unset, flags["overwrite"])


def _from(session: Session, source: str, prefix: str, keys: str) -> list[Object]:
    """A reference to each key. Raises Failure."""
    word, _, name = source.partition("/")
    kind = session.discovery.find(word)
    if kind.kind not in ("ConfigMap", "Secret"):
        raise Failure(f"unsupported resource specified in --from: {source}")
    chosen = set(keys.split(",")) if keys else None
    found = []
    for key in sorted(session.get(kind, name, session.namespace).get("data") or {}):
        if chosen is not None and key not in chosen:
            continue
        made = _NO_NAME.sub("_", key).upper()
        if made != key:
            print(f"Warning: key {key} transferred to {made}", file=sys.stderr)
        field = "configMapKeyRef" if kind.kind == "ConfigMap" else "secretKeyRef"
        found.append({"name": prefix + made, "valueFrom": {field: {"name": name, "key": key}}})
    return found


def _apply(container: Object, wish: _Wish, shown: str) -> None:
    """New variables stand behind those that are there. Raises Failure."""
    there: list[Object] = [one for one in container.get("env") or [] if one["name"] not in wish.unset]
    places = {one["name"]: at for at, one in enumerate(there)}
    for one in wish.set:
        at = places.get(one["name"])
        if at is None:
            places[one["name"]] = len(there)
            there.append(one)
            continue
        if not wish.overwrite and there[at] != one:
            value = there[at].get("value", "")
            raise Failure(f"{shown} '{one['name']}' already has a value ({value}), and --overwrite is false")
        there[at] = one
    if there or container.get("env"):
        container["env"] = there


def _list(session: Session, item: Manifest, change: Callable[[Manifest, Object], None], *, resolve: bool,
          pattern: str) -> None:  # fmt: skip
    change(item, item.document)
    for container in containers(of_pods(item, item.document), pattern):
        print(f"# {item.kind.kind} {item.name}, container {container['name']}")
        for one in container.get("env") or ():
            print(_line(session, one, resolve=resolve))


def _line(session: Session, variable: Object, *, resolve: bool) -> str:
    name, source = variable["name"], variable.get("valueFrom")
    if not source:
        return f"{name}={variable.get('value', '')}"
    for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if reference := source.get(field):
            if not resolve:
                return f"# {name} from {kind} {reference['name']}, key {reference['key']}"
            found = session.get(session.discovery.find(f"{kind}s"), reference["name"], session.namespace)
            value = (found.get("data") or {}).get(reference["key"], "")
            return f"{name}={base64.b64decode(value).decode(errors='replace') if kind == 'secret' else value}"
    if reference := source.get("fieldRef"):
        return f"# {name} from field path {reference['fieldPath']}"
    reference = source.get("resourceFieldRef") or {}
    owner = f"{reference['containerName']}" if reference.get("containerName") else ""
    return f"# {name} from resource field {' '.join(part for part in (owner, reference.get('resource', '')) if part)}"
