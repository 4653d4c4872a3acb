"""`apply --prune`, the notes of what was applied, signs that JSON escapes: the same is told and done."""

from pathlib import Path

import pytest
from both import Both

MAPS = """
# A document without an object is none.
---
apiVersion: v1
kind: ConfigMap
metadata: {name: amp, labels: {app: x}}
data: {a: "<b>&c", u: "é☃"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {app: x}}
data: {a: "1"}
"""
SHORTER = MAPS.rpartition("---")[0].replace(', u: "é☃"', "")
ALLOWED = "--prune-allowlist=core/v1/ConfigMap"
NOTES = """
apply -f maps.yaml
get cm amp -o json
get cm amp -o jsonpath={.data}
get cm amp -o yaml
apply view-last-applied cm/amp
apply view-last-applied cm -l app=x
apply view-last-applied cm -o json
apply view-last-applied cm amp -o x
apply view-last-applied cm nosuch
apply view-last-applied
apply view-last-applied -f shorter.yaml
create cm bare --from-literal=a=b
apply view-last-applied cm/bare
apply set-last-applied -f shorter.yaml --dry-run=client
apply set-last-applied -f shorter.yaml
apply set-last-applied -f shorter.yaml
apply set-last-applied
get cm amp -o yaml
create -f bare.yaml
apply set-last-applied -f bare.yaml
apply set-last-applied -f bare.yaml --create-annotation -o name
apply edit-last-applied
apply edit-last-applied cm/bare
apply edit-last-applied cm/amp
apply view-last-applied cm/amp
apply nosuch
"""
PRUNES = f"""
apply -f maps.yaml
create cm never-applied --from-literal=a=b
label cm never-applied app=x
apply -f shorter.yaml --prune
apply -f shorter.yaml --prune --all -l app=x
apply -f shorter.yaml --prune -l app=x --prune-allowlist=core/v1
apply -f shorter.yaml --prune -l app=x --prune-allowlist=core/v1/Nosuch
apply -f shorter.yaml --prune -l app=x {ALLOWED} --dry-run=client
apply -f shorter.yaml --prune -l app=x {ALLOWED} --dry-run=server
get cm -l app=x -o name
apply -f shorter.yaml --prune -l app=x {ALLOWED}
get cm -l app=x -o name
apply -f maps.yaml
apply -f shorter.yaml --prune --all {ALLOWED} --prune-allowlist=core/v1/Secret -o name
get cm -l app=x -o name
"""


@pytest.mark.parametrize("lines", [NOTES, PRUNES], ids=["notes", "prunes"])
def test_the_same_words_have_the_same_answer(
    loosely: Both, folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/app:/web:/")
    (folder / "maps.yaml").write_text(MAPS)
    (folder / "shorter.yaml").write_text(SHORTER)
    (folder / "bare.yaml").write_text(SHORTER.replace("amp", "note"))
    loosely.same(lines.strip().splitlines())


def test_of_the_kinds_that_the_server_has_all_are_pruned(loosely: Both, folder: Path) -> None:
    """kubectl gives up where a kind of its own choice is not served."""
    (folder / "maps.yaml").write_text(MAPS)
    (folder / "shorter.yaml").write_text(SHORTER)
    assert loosely.steer("apply", "-f", "maps.yaml")[2] == 0
    told = loosely.steer("apply", "-f", "shorter.yaml", "--prune", "-l", "app=x")
    assert told == ("configmap/amp configured\nconfigmap/two pruned\n", "", 0)
    assert loosely.steer("get", "cm", "-o", "name") == ("configmap/amp\n", "", 0)
