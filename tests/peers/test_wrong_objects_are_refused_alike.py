"""Objects with one value changed, to both API servers: both take them, or refuse them for the same fields.

Which values are tried is drawn by a fixed seed; `PEERS_SHARE` tries more of them (1 is all, some 30,000).
"""

from __future__ import annotations

import copy
import os
import random
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.doors import Api
from tests.peers.alike import causes, documents, taking_pods

pytestmark = pytest.mark.peer

DOCUMENTS = documents()
SHARE = float(os.environ.get("PEERS_SHARE", "0.008"))
_GONE = object()
VALUES: list[Any] = [
    *(_GONE, "", "A_b", "-x", "x" * 64, "x" * 254, "a/b/c", "a b", 0, -1, 99999999999, 70000, 1.5, True),
    *({}, [], "1Gi", "-1", "0", "10%", "Foo"),
]
# What a newer Kubernetes than 1.20 judges otherwise, and ours with it; and what stands in documents of no use.
_NEWER = re.compile(
    r"env\.\d+\.name|envFrom\.\d+\.prefix|topologySpreadConstraints\.\d+\.labelSelector|procMount|podCIDR|annotations"
)
# What ours judges and 1.20 leaves to others, or the other way round, each told in docs/peers.md.
_OTHERWISE = re.compile(
    r"^(stateful set spec\.(template\.spec|volumeClaimTemplates)|storage class allowedTopologies|new event regarding|"
    r"pod with everything spec\.securityContext\.sysctls)|(secret|config map) (data|binaryData)\.|endpoints .*nodeName|"
    r"node status\.capacity\.pods|csi node .*nodeID"
)
# Where all values are tried, and what is told of them must be the same to the word.
_WORDS = re.compile(
    r"(nodeAffinity\..*operator|subjects\.\d+\.kind|storage class reclaimPolicy|(secret|configMap)KeyRef\.key|"
    r"tolerations\.\d+\.key)$"
)
# Elsewhere both refuse, but not always for the same fields: decoding comes first, or one fault hides another.
_STATUS = (200, 201, 400, 422)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in entries:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(body)
    part: Any = made
    for key in path[:-1]:
        part = part[key]
    if value is _GONE:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return made


def said(refusal: requests.Response) -> list[dict[str, str]]:
    """Each field at fault, the reason and the words, in order."""
    found: list[dict[str, str]] = refusal.json()["details"]["causes"]
    return found


@pytest.fixture(scope="module")
def both(our_api: Api, their_api: Api) -> tuple[Api, Api]:
    return taking_pods(our_api), taking_pods(their_api)


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_both_take_or_refuse_it(both: tuple[Api, Api], name: str) -> None:
    path, body = DOCUMENTS[name]
    chance = random.Random(zlib.crc32(name.encode()))
    wrong = []
    for place in places(body):
        for value in VALUES:
            told_place = ".".join(map(str, place))
            words = bool(_WORDS.search(f"{name} {told_place}"))
            drawn = chance.random() <= SHARE or words
            if not drawn or _NEWER.search(told_place) or _OTHERWISE.search(f"{name} {told_place}"):
                continue
            made = changed(body, place, value)
            answers = [api.call("POST", f"{path}?dryRun=All", json=made) for api in both]
            told = [causes(one) for one in answers]
            assert all(status in _STATUS for status, _ in told), (place, value, told)
            if told[0][0] != told[1][0] or (words and told[0][0] == 422 and said(answers[0]) != said(answers[1])):
                wrong.append((place, "(gone)" if value is _GONE else value, told))
    assert wrong == [], wrong
