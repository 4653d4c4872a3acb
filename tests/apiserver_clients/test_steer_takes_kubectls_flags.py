"""Flags of kubectl's verbs: steer has them, or docs/steer.md says which not; and they do the same."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from both import Both
from kubectls import DEPLOYMENT, MIDDLE, OLD, binary
from tests_apiserver import Api

from cli.steer.main import VERBS, steer

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {a: b}}
spec: {containers: [{name: c, image: x}, {name: d, image: x}]}
"""
SAME = """
delete pod p1 --dry-run=client
delete pod p1 --dry-run=server
delete pod p1 --dry-run=server -o name
delete pod p1 --dry-run=client --force
delete pod nosuch --dry-run=client
scale deploy web --replicas=4 --dry-run=client
scale deploy web --replicas=4 --dry-run=server
scale deploy --all --replicas=3
scale deploy -l app=web --replicas=4
scale deploy -l app=nosuch --replicas=4
scale deploy web --replicas=4 --current-replicas=9
scale deploy web nosuch --replicas=4
scale cm x --replicas=1
scale pod/p1 --replicas=1
scale deploy web --replicas=5 -o jsonpath={.spec.replicas}
cordon NAMESPACE --dry-run=client
cordon NAMESPACE --dry-run=server
cordon NAMESPACE
cordon NAMESPACE --dry-run=client
uncordon NAMESPACE --dry-run=client
uncordon NAMESPACE
drain NAMESPACE --dry-run=client
drain NAMESPACE --dry-run=server
drain NAMESPACE --dry-run=server --force
drain NAMESPACE --dry-run=client --force --chunk-size=1 --skip-wait-for-delete-timeout=1
get pod p1 --subresource=status -o jsonpath={.kind}
get deploy web --subresource=scale
get deploy web --subresource=x
get pods --subresource=status
get deploy web --subresource=scale -o jsonpath={.kind}
get pods --server-print=false
get pods,deploy --server-print=false -o wide
get pods --chunk-size=1
get pods -o name --chunk-size=1
get pods --show-kind --show-labels -L a
get pods --output-watch-events
get --raw=/version/x
get --raw=/healthz
get --raw=/api -o json
api-resources --sort-by=name
api-resources --sort-by=kind
api-resources --sort-by=x
api-resources --namespaced=false -o name
api-resources --api-group=apps
wait pod/p1 --for=jsonpath={.spec.containers[0].name}=c -o jsonpath={.kind}
wait pod/p1 --for=jsonpath={.spec.containers[0].name}=c -o name
wait cm/nosuch --for=create --timeout=1s
wait pod --all --for=jsonpath={.metadata.name}=p1
label pods -l a=b a=b --list
label pods --list --all
annotate deploy web a=b --list
annotate deploy web --list
apply -f c.yaml --server-side
apply -f c.yaml --server-side --force-conflicts
apply -f c.yaml --server-side --dry-run=client
apply -f c.yaml --force-conflicts
apply -f c.yaml -l a=b
apply -f c.yaml
rollout pause deploy/web -o name
rollout resume deploy/web -o jsonpath={.metadata.name}
rollout restart deploy/web -o name
rollout undo deploy/web -o name
rollout undo deploy/web --dry-run=client
rollout history deploy/web --revision=1
explain pod --output=plaintext
explain pod --output=x
explain pod.spec.containers --recursive
explain deploy --api-version=apps/v1
explain nosuch
explain pod.spec.nosuch
autoscale deploy web
autoscale deploy web --max=0
autoscale deploy web --max=3 --min=4
autoscale deploy nosuch --max=3
certificate approve x
certificate deny x
certificate approve
auth can-i --list
auth can-i --list --as=eve
auth can-i --list -n kube-system --no-headers
patch deploy web --subresource=scale -p '{"spec":{"replicas":2}}' --type=merge
patch deploy web --subresource=status -p '{"status":{"replicas":2}}' --type=merge
patch pod p1 --subresource=nosuch -p {}
logs p1 --ignore-errors
logs -l a=b --max-log-requests=1
exec p1 -q
config view --minify --flatten -o jsonpath={.kind}
create -f c.yaml --save-config --dry-run=client -o yaml
create -f c.yaml -l a=b
create cm v --from-literal=a=b --validate=warn
replace -f c.yaml --save-config
replace --force -f c.yaml --dry-run=client
replace --force -f c.yaml --dry-run=server
get cm cc -o name
api-resources --namespaced -o name --api-group=apps
delete cm -l nosuch=1
get cm cc -o jsonpath={.metadata.managedFields} --show-managed-fields
delete --raw=/api/v1/namespaces/NAMESPACE/configmaps/nosuch
"""


def test_they_do_the_same(loosely: Both, folder: Path, admin: Api, request: pytest.FixtureRequest) -> None:
    loosely.create(DEPLOYMENT)
    loosely.create(POD)
    (folder / "c.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cc}\ndata: {a: b}\n")
    for space in loosely.spaces:
        admin.post("/api/v1/nodes", {"metadata": {"name": space}})
        request.addfinalizer(lambda space=space: admin.delete(f"/api/v1/nodes/{space}"))
        bound = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p1"}, "target": {"name": space}}
        admin.post(f"/api/v1/namespaces/{space}/pods/p1/binding", bound)
    loosely.same(SAME.strip().splitlines())


def test_a_watch_tells_kinds_of_changes(loosely: Both) -> None:
    loosely.create(DEPLOYMENT)
    assert loosely.kubectl("delete", "deploy", "web")[2] == 0
    _, said, code = loosely.steer("get", "deploy", "--output-watch-events")
    assert (code, said) == (1, "error: --output-watch-events option can only be used with --watch or --watch-only\n")


# Every flag that kubectl has and steer has not stands in the docs, with the verbs that it is missing at.
DOCS = (Path(__file__).parents[2] / "docs/steer.md").read_text()
ROW = re.compile(r"^\| `(--[\w-]+)` \| ([^|]+) \|", re.MULTILINE)
LEFT_OUT = {flag: set(re.findall(r"`([^`]+)`", verbs)) or {"all"} for flag, verbs in ROW.findall(DOCS)}


def flags_of(generation: str, *words: str) -> set[str]:
    done = subprocess.run([binary(generation), *words, "--help"], capture_output=True, text=True, check=False)
    return set(re.findall(r"^ +(?:-\w, )? *(--[\w-]+)(?:=.*)?:", done.stdout, re.MULTILINE))


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield words, command


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS if verb.name != "rolling-update"])
def test_each_flag_is_there_or_named_as_missing(verb: str) -> None:
    found = steer.get_command(click.Context(steer), verb)
    assert found is not None
    # `create token` of 1.20 is the help of create itself.
    missing = {
        (" ".join(words), flag)
        for words, command in commands(found, (verb,))
        for generation in ((MIDDLE,) if words == ("create", "token") else (OLD, MIDDLE))
        for flag in flags_of(generation, *words)
        - {name for one in (*command.params, *steer.params) for name in (*one.opts, *one.secondary_opts)}
    }
    told = {(words, flag) for words, flag in missing if {"all", words, verb} & LEFT_OUT.get(flag, set())}
    assert missing - told == set()
