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
WORDS = " ".join(map(str, range(25)))
NOTES = r"""
apply -f maps.yaml -o json
apply -f maps.yaml -o yaml
apply -f maps.yaml -o name
apply -f shorter.yaml -o jsonpath={.kind} --dry-run=server
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
create cm long --from-literal=a="WORDS WORDS WORDS"
create cm quoted --from-literal=a="WORDS \"é\" \\ WORDS  WORDS\t"
get cm long quoted -o yaml
get cm amp -o jsonpath-as-json={.data}{.metadata.name}
get cm -o 'jsonpath-as-json={range .items[*]}{.metadata.name}{end}'
get -f maps.yaml -o yaml
delete cm two
get -f maps.yaml -o yaml
get -f shorter.yaml -o jsonpath={.kind}
get cm amp two -o jsonpath={.kind}
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
    loosely.same(lines.replace("WORDS", WORDS).strip().splitlines())


def test_a_form_that_cannot_be_printed_is_refused_before_anything_is_done(loosely: Both, folder: Path) -> None:
    (folder / "maps.yaml").write_text(MAPS)
    for form in ("wide", "custom-columns=A:.kind", "x", "jsonpath={.a", "jsonpath"):
        for verb in ("create", "apply"):
            _, told, code = loosely.steer(verb, "-f", "maps.yaml", "-o", form)
            assert code == 1
            assert told.startswith("error: ")
    assert loosely.steer("get", "cm", "-o", "name") == ("", "", 0)


def test_of_the_kinds_that_the_server_has_all_are_pruned(loosely: Both, folder: Path) -> None:
    """kubectl gives up where a kind of its own choice is not served."""
    (folder / "maps.yaml").write_text(MAPS)
    (folder / "shorter.yaml").write_text(SHORTER)
    assert loosely.steer("apply", "-f", "maps.yaml")[2] == 0
    told = loosely.steer("apply", "-f", "shorter.yaml", "--prune", "-l", "app=x")
    assert told == ("configmap/amp configured\nconfigmap/two pruned\n", "", 0)
    assert loosely.steer("get", "cm", "-o", "name") == ("configmap/amp\n", "", 0)
