"""Calls that are wrong, and what the server refuses: the same words and exit code as kubectl's."""

from pathlib import Path

import pytest
from both import Both
from kubectls import DEPLOYMENT

MISCALLS = """
attach
api-resources x
api-versions x
apply -f
apply --dry-run=x -f x
apply view-last-applied
autoscale --max=2
completion
completion x
completion bash x
cp
cp a
cp a b c
config view x
delete pods a --cascade=x
delete pods a --grace-period=x
edit
exec
exec a
exec a ls
exec -- ls
explain
explain a b
expose
get pods -o
get pods --chunk-size=x
kustomize a b
label
label pods a
label a=b
annotate
logs
logs a b c
logs a --tail
logs a --tail=x
patch
patch -p {}
patch pods a
patch pods a -p
patch pods a --type=x -p {}
port-forward
port-forward a
run
run a
run --image=x
run a --image=
run a --image=UPPER
run a --image=x:
run a --image=x --dry-run=x
run a --image=x --restart=x
scale
scale deploy/a
scale deploy/a --replicas
scale deploy/a --replicas=x
scale --replicas=1
set env
set image
set resources
set selector
set subject
taint
taint nodes a
taint a=b:NoSchedule
version x
wait pods
wait --for=delete
"""
# kubectl shows their whole help on standard output before it.
BEFORE_HELP = """
config rename-context
config rename-context a
config set
config set a
config set-cluster
config set-cluster a b
config set-credentials
config set-credentials a b
config unset
config use-context
config use-context a b
"""
SELECTORS = """
get pods -l a=b=c
get pods -l 'a in'
get pods -l =
get pods -l 'a in (b' -o name
get pods -l -a
get pods --field-selector=nosuch=1
get pods --field-selector=a=b=c -o name
get pods -l 'a in' --watch
describe pods -l 'a in'
delete pods -l 'a in'
delete pods --field-selector=x
label pods -l 'a in' x=y
scale deploy -l 'a in' --replicas=1
wait pods -l 'a in' --for=delete
rollout restart deploy -l 'a in'
logs -l 'a in'
drain -l 'a in'
cordon -l 'a in'
"""
PATCHES = """
patch deploy web -p {
patch deploy web -p '[]'
patch deploy web -p x
patch deploy web -p '{a: b: c}'
patch deploy web -p '{spec: {replicas: 2}}'
patch deploy web -p 'spec: {replicas: 2}'
patch deploy web --type=json -p {}
patch deploy web --type=json -p '[{"op":"x","path":"/a"}]'
patch deploy web --type=json -p '[{"op":"remove","path":"/nosuch"}]'
patch deploy web --type=json -p '[{"op":"test","path":"/spec/replicas","value":99}]'
patch deploy web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":3}]'
patch deploy web --type=merge -p []
patch deploy web -p '{"metadata":{"name":"other"}}'
patch deploy web -p '{"spec":{"replicas":-1}}'
patch deploy web -p '{"spec":{"replicas":1}}'
patch deploy nosuch -p {}
patch deploy -p {}
patch nosuch x -p {}
patch deploy web --patch-file=nosuch
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"


def test_wrong_calls(both: Both) -> None:
    both.same(MISCALLS.split("\n")[1:-1])


@pytest.mark.parametrize("line", BEFORE_HELP.split("\n")[1:-1])
def test_wrong_calls_of_the_kubeconfig(both: Both, line: str) -> None:
    assert both.steer(*line.split())[1:] == both.kubectl(*line.split())[1:]


@pytest.mark.parametrize(
    "group", ["auth", "config", "plugin", "set", "certificate", "create secret", "create service", "rollout", "top"]
)
def test_groups_without_a_verb_show_their_help_and_mostly_fail(both: Both, group: str) -> None:
    assert both.steer(*group.split())[2] == both.kubectl(*group.split())[2]


def test_a_forced_replacement_tells_the_deletion(both: Both, folder: Path) -> None:
    both.create(CONFIG_MAP)
    (folder / "c.yaml").write_text(CONFIG_MAP)
    (folder / "new.yaml").write_text(CONFIG_MAP.replace("name: c", "name: d"))
    both.same(["replace --force -f c.yaml", "replace --force -f c.yaml -o name", "replace --force -f new.yaml"])


def test_selectors_that_are_none(both: Both) -> None:
    both.same(SELECTORS.split("\n")[1:-1])


def test_patches(both: Both) -> None:
    both.create(DEPLOYMENT)
    both.same(PATCHES.split("\n")[1:-1])
