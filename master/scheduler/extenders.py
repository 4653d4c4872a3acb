"""Asks extenders. Shapes of what is sent and answered: k8s.io/kube-scheduler/extender/v1.

Calls block for as long as the extender takes, at most its httpTimeout: never while the picture is locked.
"""

import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from api.codec import encode
from api.core import Node, Pod
from master.scheduler.extending import ExtenderPart, trust_of
from master.scheduler.filters import Refusal
from master.scheduler.preemption import Victims, importance
from master.scheduler.scores import MAX
from master.scheduler.wish import Wish

log = logging.getLogger(__name__)
_TIMEOUT_S = 5.0
_ANSWER_MAX = 64 * 2**20
# What an extender gives a node at most.
_EXTENDER_MAX = 10


class ExtenderError(Exception):
    """An extender that is needed could not be asked, or answered with an error or nonsense."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """The nodes that are left, and why others are not."""

    names: list[str]
    refusals: dict[str, Refusal]


class Extender:
    """One of them. All methods raise ExtenderError."""

    def __init__(self, part: ExtenderPart, timeout_s: float = _TIMEOUT_S) -> None:
        self.part = part
        self._url = urlsplit(part.url_prefix)
        self._timeout_s = timeout_s or _TIMEOUT_S
        self._resources = frozenset(one.name for one in part.managed_resources)
        self._name = part.tls_config.server_name if part.tls_config is not None else ""
        self._trust: ssl.SSLContext | None = None
        if self._url.scheme == "https":
            self._trust = trust_of(part.tls_config) if part.tls_config is not None else ssl.create_default_context()

    def concerns(self, wish: Wish) -> bool:
        """Whether it manages something that the pod asks for; without managed resources it is asked for all pods."""
        return not self._resources or not self._resources.isdisjoint(wish.shape.requests)

    def filter(self, pod: Pod, nodes: Mapping[str, Node]) -> Filtered:
        """Which of these nodes it lets through."""
        answer = self._ask(self.part.filter_verb, {"Pod": pod, **self._nodes(nodes)})
        if error := answer.get("error"):
            raise ExtenderError(f"extender {self.part.url_prefix}: {error}")
        named = answer.get("nodenames") if self.part.node_cache_capable else None
        if named is None:
            items = _lower(answer.get("nodes") or {}).get("items") or []
            named = [str(((item or {}).get("metadata") or {}).get("name")) for item in items]
        if odd := next((name for name in named if name not in nodes), ""):
            raise ExtenderError(f"extender {self.part.url_prefix}: {odd!r} is none of the nodes it was asked about")
        left = set(named)
        refusals = {name: Refusal((f"node(s) were left out by extender {self.part.url_prefix}",), curable=False)
                    for name in nodes if name not in left}  # fmt: skip
        for field, curable in (("failednodes", True), ("failedandunresolvablenodes", False)):
            for name, reason in (answer.get(field) or {}).items():
                if name in nodes:
                    refusals[name] = Refusal((str(reason),), curable=curable)
        return Filtered([name for name in nodes if name in left and name not in refusals], refusals)

    def rate(self, pod: Pod, nodes: Mapping[str, Node]) -> dict[str, float]:
        """What it adds to the worth of each node, on the scale of our own scores."""
        answer = self._ask(self.part.prioritize_verb, {"Pod": pod, **self._nodes(nodes)})
        scale = self.part.weight * MAX / _EXTENDER_MAX
        found: dict[str, float] = {}
        for one in answer.get("items") or []:
            one = _lower(one)
            found[str(one.get("host"))] = scale * float(one.get("score") or 0)
        return found

    def victims(
        self, pod: Pod, found: Mapping[str, Victims], shown: Mapping[str, Pod]
    ) -> dict[str, tuple[set[str], int]]:
        """By node the UIDs of the pods that are to go, and how many budgets that breaks; nodes may be left out.
        ``shown``: pods by UID."""
        if self.part.node_cache_capable:
            meta = {
                name: {"Pods": [{"UID": wish.uid} for wish in there.pods], "NumPDBViolations": there.broken}
                for name, there in found.items()
            }
            body: dict[str, Any] = {"Pod": pod, "NodeNameToMetaVictims": meta}
        else:
            whole = {
                name: {"Pods": [shown[wish.uid] for wish in there.pods if wish.uid in shown],
                       "NumPDBViolations": there.broken}
                for name, there in found.items()
            }  # fmt: skip
            body = {"Pod": pod, "NodeNameToVictims": whole}
        answer = self._ask(self.part.preempt_verb, body).get("nodenametometavictims") or {}
        result = {}
        for name, there in answer.items():
            if name not in found:
                raise ExtenderError(
                    f"extender {self.part.url_prefix}: {name!r} is none of the nodes it was asked about"
                )
            there = _lower(there or {})
            uids = {str(_lower(one).get("uid")) for one in there.get("pods") or []}
            result[name] = (uids, int(there.get("numpdbviolations") or 0))
        return result

    def bind(self, wish: Wish, node: str) -> None:
        """In our place."""
        body = {"PodName": wish.name, "PodNamespace": wish.namespace, "PodUID": wish.uid, "Node": node}
        if error := self._ask(self.part.bind_verb, body).get("error"):
            raise ExtenderError(f"extender {self.part.url_prefix}: {error}")

    def _nodes(self, nodes: Mapping[str, Node]) -> dict[str, Any]:
        if self.part.node_cache_capable:
            return {"NodeNames": list(nodes)}
        return {"Nodes": {"apiVersion": "v1", "kind": "NodeList", "metadata": {}, "items": list(nodes.values())}}

    def _ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Its answer with the names of fields in lower case, as Go reads them; a list is ``items``."""
        from master.scheduler.extendercalls import post

        try:
            status, text = post(
                self._url,
                verb,
                encode(body),
                timeout_s=self._timeout_s,
                trust=self._trust,
                name=self._name,
                limit=_ANSWER_MAX,
            )
            if status != 200:
                raise ExtenderError(f"extender {self.part.url_prefix}: {verb} answered with status {status}")
            found = msgspec.json.decode(text)
            return {"items": found} if isinstance(found, list) else _lower(found or {})
        except (OSError, ValueError, AttributeError, msgspec.MsgspecError) as error:
            raise ExtenderError(f"extender {self.part.url_prefix}: {verb}: {error}") from error


def _lower(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in found.items()}


class Asked:
    """The extenders that one pod concerns."""

    def __init__(self, extenders: Iterable[Extender], wish: Wish) -> None:
        self._all = [one for one in extenders if one.concerns(wish)]
        self._wish = wish

    @property
    def choosing(self) -> bool:
        """Whether one of them has a say in which node it is."""
        return any(one.part.filter_verb or one.part.prioritize_verb or one.part.preempt_verb for one in self._all)

    @property
    def binding(self) -> Extender | None:
        return next((one for one in self._all if one.part.bind_verb), None)

    def filter(self, pod: Pod, nodes: Mapping[str, Node]) -> Filtered:
        """One after the other, each asked about what the one before let through. Raises ExtenderError, but not for
        those that may be missing."""
        refusals: dict[str, Refusal] = {}
        left = dict(nodes)
        for one in self._all:
            if not left or not one.part.filter_verb:
                continue
            try:
                found = one.filter(pod, left)
            except ExtenderError as error:
                if not one.part.ignorable:
                    raise
                log.warning("extender left out error=%s", error)
                continue
            refusals |= found.refusals
            left = {name: left[name] for name in found.names}
        return Filtered(list(left), refusals)

    def rated(self, pod: Pod, nodes: Mapping[str, Node], totals: Mapping[str, float]) -> dict[str, float]:
        """The worth of these nodes with what the extenders make of them; one that fails adds nothing."""
        found = {name: totals[name] for name in nodes}
        for one in self._all:
            if not one.part.prioritize_verb or not nodes:
                continue
            try:
                for name, value in one.rate(pod, nodes).items():
                    if name in found:
                        found[name] += value
            except (ExtenderError, TypeError, ValueError) as error:
                log.warning("extender does not rate error=%s", error)
        return found

    def victims(
        self, pod: Pod, found: Mapping[str, Victims], shown: Mapping[str, Pod], there: Mapping[str, Sequence[Wish]]
    ) -> dict[str, Victims]:
        """What is left of a way to make room, or who is to go instead. ``there``: all pods of these nodes. Raises
        ExtenderError, but not for those that may be missing.
        """
        left = dict(found)
        for one in self._all:
            if not left or not one.part.preempt_verb:
                continue
            try:
                said = {
                    name: _named(one, name, there[name], *said) for name, said in one.victims(pod, left, shown).items()
                }
            except ExtenderError as error:
                if not one.part.ignorable:
                    raise
                log.warning("extender left out error=%s", error)
                continue
            if not one.part.ignorable and (idle := next((name for name in said if not said[name].pods), "")):
                raise ExtenderError(f"extender {one.part.url_prefix}: names no victim on node {idle!r}")
            left = {name: said[name] for name in left if name in said and said[name].pods}
        return left


def _named(extender: Extender, node: str, there: Sequence[Wish], uids: set[str], broken: int) -> Victims:
    """An extender may name others than those it was asked about, but pods of that node."""
    if strangers := uids - {wish.uid for wish in there}:
        raise ExtenderError(f"extender {extender.part.url_prefix}: no pod {min(strangers)!r} is on node {node!r}")
    return Victims(sorted((wish for wish in there if wish.uid in uids), key=importance), broken)


def extenders_of(parts: Sequence[ExtenderPart], timeouts_s: Sequence[float]) -> tuple[Extender, ...]:
    return tuple(Extender(part, timeout_s) for part, timeout_s in zip(parts, timeouts_s, strict=True))
