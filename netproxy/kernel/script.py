"""Between tables as values and nft: what `nft -j list table` shows, and the script that makes one table of another.

Pure. A script is one transaction and tells only what changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netproxy.kernel.table import Collection, Table, digest


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the kernel: chains with the digests of their rules ("" for one that is not ours), maps, sets."""

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    collections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def expected(table: Table) -> Found:
    """What is found when the table is there. Sets of clients are filled by packets, and not looked into."""
    return Found(
        {name: chain.digests for name, chain in table.chains.items()},
        {name: dict(one.elements) for name, one in table.collections.items()},
    )


def find(listing: str) -> Found:
    """Read `nft -j list table`."""
    chains: dict[str, list[str]] = {}
    collections: dict[str, dict[str, str]] = {}
    for entry in json.loads(listing)["nftables"]:
        for kind, item in entry.items():
            if kind == "chain":
                chains[item["name"]] = []
            elif kind == "rule":
                chains[item["chain"]].append(item.get("comment", ""))
            elif kind in ("map", "set"):
                # nft does not tell the flag "dynamic"; of ours, only sets that packets fill have timeouts.
                filled_by_packets = "timeout" in item.get("flags", ())
                elements = [] if filled_by_packets else item.get("elem", [])
                collections[item["name"]] = dict(_element(one) for one in elements)
    return Found({name: tuple(rules) for name, rules in chains.items()}, collections)


def _element(one: Any) -> tuple[str, str]:
    key, verdict = one if isinstance(one, list) else (one, None)
    parts = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
    text = " . ".join(str(part) for part in parts)
    return text, f"goto {verdict['goto']['target']}" if verdict is not None else ""


def script(table: str, found: Found, wanted: Table) -> str:
    """From what is found to what is wanted; "" when that is the same."""
    before = expected(wanted)
    if found == before:
        return ""
    lines = [f"add table ip {table}"]
    lines += [
        f"add {one.kind} ip {table} {name} {{ {one.declaration}; }}"
        for name, one in wanted.collections.items()
        if name not in found.collections
    ]
    for name, chain in wanted.chains.items():
        if name not in found.chains:
            hook = f" {{ {chain.hook}; }}" if chain.hook else ""
            lines.append(f"add chain ip {table} {name}{hook}")
    for name, chain in wanted.chains.items():
        if found.chains.get(name, ()) != chain.digests:
            if found.chains.get(name):
                lines.append(f"flush chain ip {table} {name}")
            lines += [f'add rule ip {table} {name} {rule} comment "{digest(rule)}"' for rule in chain.rules]
    for name, one in wanted.collections.items():
        lines += _elements(table, name, found.collections.get(name, {}), one)
    lines += _leftovers(table, found, wanted)
    return "\n".join([*lines, ""])


def _elements(table: str, name: str, old: Mapping[str, str], new: Collection) -> list[str]:
    gone = [key for key, verdict in old.items() if new.elements.get(key) != verdict]
    fresh = [(key, verdict) for key, verdict in new.elements.items() if old.get(key) != verdict]
    lines = []
    if gone:
        # The verdict is told too: nft finds an element of a map by both.
        told = (f"{key} : {old[key]}" if old[key] else key for key in gone)
        lines.append(f"delete element ip {table} {name} {{ {', '.join(told)} }}")
    if fresh:
        told = (f"{key} : {verdict}" if verdict else key for key, verdict in fresh)
        lines.append(f"add element ip {table} {name} {{ {', '.join(told)} }}")
    return lines


def _leftovers(table: str, found: Found, wanted: Table) -> list[str]:
    """Chains are emptied before they go: they may lead to each other."""
    chains = [name for name in found.chains if name not in wanted.chains]
    return [
        *(f"flush chain ip {table} {name}" for name in chains),
        *(f"delete chain ip {table} {name}" for name in chains),
        *(f"delete set ip {table} {name}" for name in found.collections if name not in wanted.collections),
    ]
