"""Namespaces, accounts, and kinds that hold data; and what is said of all other kinds."""

import base64
from collections.abc import Sequence
from typing import Any

from cli.steer.describing.page import Object, Page, begin, events_of


def namespace(page: Page, item: Object) -> None:
    """Without its quotas and limits."""
    begin(page, item, namespaced=False)
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    page.field("Status", (item.get("status") or {}).get("phase", ""))


def config_map(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """All of it."""
    begin(page, item)
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    page.add("\nData\n====")
    for key, value in sorted((item.get("data") or {}).items()):
        page.add(f"{key}:\n----\n{value}\n")
    page.add("\nBinaryData\n====")
    for key, value in sorted((item.get("binaryData") or {}).items()):
        page.add(f"{key}: {len(base64.b64decode(value))} bytes")
    page.add("")
    events_of(page, events)


def secret(page: Page, item: Object) -> None:
    """Never what is in it."""
    begin(page, item)
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    page.add("")
    page.field("Type", item.get("type", ""))
    page.add("\nData\n====")
    for key, value in sorted((item.get("data") or {}).items()):
        page.field(key, f"{len(base64.b64decode(value))} bytes")


def service_account(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """A service account."""
    begin(page, item)
    page.labels("Labels", item["metadata"].get("labels"))
    page.annotations("Annotations", item["metadata"].get("annotations"))
    page.several("Image pull secrets", [one["name"] for one in item.get("imagePullSecrets") or ()])
    events_of(page, events)


def generic(page: Page, item: Object, events: Sequence[Object] | None) -> None:
    """Every field, whatever the kind."""
    meta = item["metadata"]
    begin(page, item)
    page.labels("Labels", meta.get("labels"))
    page.annotations("Annotations", meta.get("annotations"))
    shown = {"name", "namespace", "labels", "annotations", "managedFields"}
    rest = {key: value for key, value in item.items() if key not in ("metadata", "apiVersion", "kind")}
    _fields(page, {
        "apiVersion": item.get("apiVersion"), "kind": item.get("kind"),
        "metadata": {key: value for key, value in meta.items() if key not in shown}, **rest,
    }, 0)  # fmt: skip
    events_of(page, events)


def _fields(page: Page, found: Object, level: int) -> None:
    for key, value in sorted(found.items(), key=lambda pair: _title(pair[0])):
        if isinstance(value, dict):
            page.add(f"{_title(key)}:", level)
            _fields(page, value, level + 1)
        elif isinstance(value, list):
            page.add(f"{_title(key)}:", level)
            for one in value:
                if isinstance(one, dict):
                    _fields(page, one, level + 1)
                else:
                    page.add(_plain(one), level + 1)
        else:
            page.field(_title(key), _plain(value), level)


def _title(key: str) -> str:
    """``podCIDR`` as ``Pod CIDR``."""
    words = ""
    for at, letter in enumerate(key):
        if at and letter.isupper() and (key[at - 1].islower() or (at + 1 < len(key) and key[at + 1].islower())):
            words += " "
        words += letter
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
