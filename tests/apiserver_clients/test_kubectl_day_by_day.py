"""What people do with kubectl every day beyond create, get and delete, with each of its generations."""

import json
from pathlib import Path

import pytest
from kubectls import DEPLOYMENT, Kubectl, shown, staying
from tests_apiserver import Api, pod

from tests.e2e.waiting import until


def test_describe_knows_every_kind_that_people_look_at(kubectl: Kubectl, admin: Api) -> None:
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    kubectl("create", "configmap", "c", "--from-literal=key=value")
    kubectl("create", "secret", "generic", "s", "--from-literal=key=value")
    kubectl("create", "quota", "q", "--hard=pods=5")
    kubectl("create", "role", "r", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "b", "--role=r", "--user=u")
    kubectl("expose", "deployment", "web", "--port=80")
    made = pod("web", terminationGracePeriodSeconds=7)
    made["metadata"]["annotations"] = {"note": "for people"}
    admin.post(f"/api/v1/namespaces/{kubectl.namespace}/pods", made)
    for what, words in {
        "pod/web": ("Name:", "for people", "Node:", "Containers:", "QoS Class:"),
        "deployment/web": ("Replicas:", "StrategyType:", "RollingUpdateStrategy:", "web:1"),
        "service/web": ("IP:", "TargetPort:", "Session Affinity:"),
        "configmap/c": ("key:", "value"),
        "secret/s": ("Type:", "key:", "5 bytes"),
        "quota/q": ("Resource", "pods", "5"),
        "role/r": ("PolicyRule:", "pods", "[get]"),
        "rolebinding/b": ("Role:", "Subjects:", "User"),
        "serviceaccount/default": ("Name:", "Image pull secrets:"),
        "namespace/" + kubectl.namespace: ("Status:", "Active"),
    }.items():
        if what.startswith("serviceaccount"):
            kubectl("create", "serviceaccount", "default")
        said = kubectl("describe", what)
        assert all(word in said for word in words), said


def test_files_of_many_objects_are_created_replaced_and_deleted(kubectl: Kubectl) -> None:
    folder = kubectl.scratch / "manifests"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{own: x}}}}\ndata: {{key: old}}\n"
        )
    assert kubectl("create", "-f", str(folder)) == "configmap/a created\nconfigmap/b created\n"
    (folder / "a.yaml").write_text((folder / "a.yaml").read_text().replace("old", "new"))
    assert kubectl("replace", "-f", str(folder)) == "configmap/a replaced\nconfigmap/b replaced\n"
    assert kubectl("get", "-f", str(folder), "-o", "jsonpath={.items[*].data.key}") == "new old"
    forced = kubectl("replace", "--force", "-f", str(folder / "a.yaml"))
    assert '"a" deleted' in forced
    assert forced.endswith("configmap/a replaced\n")
    assert "configmap" in kubectl("delete", "configmap", "-l", "own=x", "--dry-run=server")
    assert len(kubectl("get", "configmap", "-l", "own=x", "-o", "name").split()) == 2
    kubectl("delete", "-f", str(folder))
    assert kubectl("get", "configmap", "-l", "own=x", "-o", "name") == ""
    assert "NotFound" in kubectl.refused("delete", "-f", str(folder))
    assert kubectl("delete", "-f", str(folder), "--ignore-not-found") == ""


def test_prune_takes_away_what_is_not_in_the_files_any_more(kubectl: Kubectl) -> None:
    both = "\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: x}}}}" for name in ("keep", "drop")
    )
    kubectl("apply", "-f", "-", "-l", "set=x", stdin=both)
    said = kubectl("apply", "-f", "-", "-l", "set=x", "--prune", "--prune-whitelist=core/v1/ConfigMap" if kubectl.is_old
                   else "--prune-allowlist=core/v1/ConfigMap", stdin=both.split("---")[0])  # fmt: skip
    assert "configmap/drop pruned" in said
    assert kubectl("get", "configmap", "-l", "set=x", "-o", "name") == "configmap/keep\n"


def test_a_kustomization_is_applied(kubectl: Kubectl) -> None:
    folder = kubectl.scratch / "kustom"
    folder.mkdir()
    (folder / "deployment.yaml").write_text(DEPLOYMENT)
    (folder / "kustomization.yaml").write_text(
        "resources: [deployment.yaml]\nnamePrefix: my-\nimages: [{name: web, newTag: '9'}]\n"
        "configMapGenerator: [{name: settings, literals: [a=b]}]\n"
    )
    assert "deployment.apps/my-web created" in kubectl("apply", "-k", str(folder))
    assert kubectl("get", "deploy", "my-web", "-o", "jsonpath={..image}") == "web:9"


def test_scale_label_and_annotate_take_many_and_undo(kubectl: Kubectl) -> None:
    for name in ("a", "b"):
        kubectl("create", "deployment", name, "--image=x:1")
    assert kubectl("scale", "deployment", "a", "b", "--replicas=3").count("scaled") == 2
    assert kubectl("scale", "--replicas=4", "deployment", "--all").count("scaled") == 2
    assert kubectl("label", "deployment", "--all", "tier=web").count("labeled") == 2
    assert kubectl("get", "deployment", "-l", "tier", "-o", "name").count("/") == 2
    kubectl("label", "deployment", "a", "tier-")
    assert kubectl("get", "deployment", "-l", "!tier", "-o", "name") == "deployment.apps/a\n"
    kubectl("annotate", "deployment", "a", "note=1")
    kubectl("annotate", "deployment", "a", "note=2", "--overwrite")
    assert kubectl("get", "deployment", "a", "-o", "jsonpath={.metadata.annotations.note}") == "2"
    kubectl("annotate", "deployment", "a", "note-")
    dry = kubectl("label", "deployment", "a", "x=y", "--dry-run=server", "-o", "yaml")
    assert "x: 'y'" in dry or 'x: "y"' in dry
    assert kubectl("get", "deployment", "-l", "x=y", "-o", "name") == ""


def test_dry_run_of_every_verb_stores_nothing(kubectl: Kubectl, admin: Api, request: pytest.FixtureRequest) -> None:
    node = f"node-{kubectl.namespace}"
    request.addfinalizer(lambda: admin.delete(f"/api/v1/nodes/{node}"))
    admin.post("/api/v1/nodes", {"metadata": {"name": node}})
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    path = f"/apis/apps/v1/namespaces/{kubectl.namespace}/deployments"
    before = admin.get(path).json["items"], admin.get(f"/api/v1/nodes/{node}").json
    for words in (
        ["create", "deployment", "other", "--image=x"],
        ["run", "job", "--image=x"],
        ["set", "image", "deployment/web", "php=web:2"],
        ["annotate", "deployment", "web", "a=b"],
        ["delete", "deployment", "web"],
        ["cordon", node],
        ["expose", "deployment", "web", "--port=80"],
        ["create", "configmap", "c"],
        *([] if kubectl.is_old else [["scale", "deployment", "web", "--replicas=9"]]),
    ):
        assert "server dry run" in kubectl(*words, "--dry-run=server"), words
    # These two do not tell.
    kubectl("taint", "node", node, "a=b:NoSchedule", "--dry-run=server")
    kubectl("patch", "deployment", "web", "-p", '{"spec":{"replicas":9}}', "--dry-run=server")
    replaced = DEPLOYMENT.replace("replicas: 2", "replicas: 8")
    assert "server dry run" in kubectl("replace", "--dry-run=server", "-f", "-", stdin=replaced)
    assert (admin.get(path).json["items"], admin.get(f"/api/v1/nodes/{node}").json) == before
    assert kubectl("get", "pods,services,configmaps", "-o", "name") == ""


def test_explain_of_fields_and_versions(kubectl: Kubectl) -> None:
    for what, word in {
        "pods": "FIELDS:",
        "pod.spec.containers.livenessProbe.httpGet": "port",
        "svc.spec.sessionAffinity": "ClientIP",
        "deploy.spec.strategy.rollingUpdate.maxSurge": "maxSurge" if not kubectl.is_old else "DESCRIPTION",
        "pdb.spec": "minAvailable",
    }.items():
        assert word in kubectl("explain", what), what
    assert "v1" in kubectl("explain", "deployments", "--api-version=apps/v1")
    assert "does not exist" in kubectl.refused("explain", "pods.spec.nosuch")


def test_what_is_served_is_told_in_every_form(kubectl: Kubectl) -> None:
    wide = kubectl("api-resources", "-o", "wide")
    assert "[create delete deletecollection get list patch update watch]" in wide or (
        "create,delete,deletecollection,get,list,patch,update,watch" in wide
    )
    names = kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    assert {"nodes", "namespaces", "persistentvolumes"} <= set(names)
    assert "pods" not in names
    assert "deployments.apps" in kubectl("api-resources", "--api-group=apps", "-o", "name").split()
    listable = kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    assert kubectl("get", ",".join(listable), "-o", "name", "--ignore-not-found") is not None
    version = json.loads(kubectl("version", "-o", "json"))
    assert version["serverVersion"]["major"] == "1"
    dumped = kubectl("cluster-info", "dump", "--namespaces", kubectl.namespace)
    assert {"NodeList", "PodList", "EventList"} <= {
        line.split('"')[3] for line in dumped.splitlines() if '"kind"' in line
    }


def test_w_shows_tables_types_selections_and_single_objects(kubectl: Kubectl, admin: Api) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    admin.post(path, pod("first"))
    with (
        staying(kubectl.command("get", "pods", "-w", "--output-watch-events")) as table,
        staying(kubectl.command("get", "pod", "first", "-w", "-o", "jsonpath={.status.phase}{'\\n'}")) as one,
        staying(kubectl.command("get", "pods", "--watch-only", "-l", "app=second", "-o", "wide")) as chosen,
        staying(kubectl.command("get", "pods", "-A", "-w", "--field-selector=spec.nodeName=n9")) as fields,
    ):
        until(shown(table, "ADDED", "first", "Pending"))
        until(shown(one, "Pending"))
        # A pod is only seen by those who watch when it comes.
        names = iter(range(1000))
        until(lambda: admin.post(path, pod(f"x{next(names)}", nodeName="n9")) and shown(fields, "x")())
        second = pod("second")
        second["metadata"]["labels"] = {"app": "second"}
        until(lambda: admin.post(path, second) and admin.delete(f"{path}/second") and shown(chosen, "second")())
        admin.patch(f"{path}/first/status", {"status": {"phase": "Failed"}})
        until(shown(table, "MODIFIED", "first", "Failed"))
        until(shown(one, "Failed"))
        admin.delete(f"{path}/first")
        until(shown(table, "DELETED", "first"))
        assert not shown(chosen, "first")()
        assert table[0].split()[:2] == ["EVENT", "NAME"]
        assert sum("NAME" in line for line in table) == 1, "the columns are named once"


def test_wait_for_a_field_and_for_several(kubectl: Kubectl, admin: Api) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    for name in "ab":
        admin.post(path, pod(name))
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        admin.patch(f"{path}/{name}/status", {"status": ready})
    assert kubectl("wait", "pods", "--all", "--for=condition=Ready", "--timeout=30s").count("condition met") == 2
    if not kubectl.is_old:
        met = kubectl("wait", "pod/a", "--for=jsonpath={.status.phase}=Running", "--timeout=30s")
        assert met == "pod/a condition met\n"
    assert "timed out" in kubectl.refused("wait", "pod/a", "--for=condition=Other", "--timeout=1s")


def test_rollout_history_and_undo(kubectl: Kubectl, admin: Api) -> None:
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    kubectl("annotate", "deployment", "web", "deployment.kubernetes.io/revision=2")
    path = f"/apis/apps/v1/namespaces/{kubectl.namespace}"
    made = admin.get(f"{path}/deployments/web").json
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    for revision, image in ((1, "web:0"), (2, "web:1")):
        labels = {"app": "web", "pod-template-hash": f"h{revision}"}
        spec = {"containers": [{"name": "php", "image": image}]}
        replica_set = {
            "metadata": {"name": f"web-{revision}", "labels": labels, "ownerReferences": [owner],
                         "annotations": {"deployment.kubernetes.io/revision": str(revision)}},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        }  # fmt: skip
        assert admin.post(f"{path}/replicasets", replica_set).status == 201
    history = kubectl("rollout", "history", "deployment/web")
    assert "REVISION" in history
    assert "web:0" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert kubectl("rollout", "undo", "deployment/web", "--to-revision=1") == "deployment.apps/web rolled back\n"
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={..image}") == "web:0"


def test_raw_reads_and_writes(kubectl: Kubectl, tmp_path: Path) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/configmaps"
    body = tmp_path / "c.json"
    body.write_text('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"b"}}')
    assert json.loads(kubectl("create", "--raw", path, "-f", str(body)))["metadata"]["name"] == "c"
    body.write_text(body.read_text().replace('"b"', '"c"'))
    assert json.loads(kubectl("replace", "--raw", f"{path}/c", "-f", str(body)))["data"] == {"a": "c"}
    assert json.loads(kubectl("get", "--raw", f"{path}?limit=1"))["items"][0]["data"] == {"a": "c"}
    assert json.loads(kubectl("delete", "--raw", f"{path}/c"))["status"] == "Success"
    assert "NotFound" in kubectl.refused("get", "--raw", f"{path}/c")


def test_auth_can_i_asks_for_others_subresources_and_paths(kubectl: Kubectl) -> None:
    account = f"system:serviceaccount:{kubectl.namespace}:robot"
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={kubectl.namespace}:robot")
    assert kubectl("auth", "can-i", "get", "pods", f"--as={account}") == "yes\n"
    for words in (["delete", "pods"], ["get", "pods", "--subresource=exec"], ["get", "secrets"], ["get", "/metrics"]):
        denied = kubectl.done("auth", "can-i", *words, f"--as={account}")
        assert (denied.returncode, denied.stdout.split()[0]) == (1, "no"), words
    assert kubectl("auth", "can-i", "get", "pods", "--subresource=log", f"--as={account}") == "yes\n"
    listed = kubectl("auth", "can-i", "--list", f"--as={account}")
    assert "pods/log" in listed
    kubectl("create", "clusterrole", f"r-{kubectl.namespace}", "--verb=get", "--resource=pods", "--dry-run=server")
    said = kubectl("auth", "reconcile", "-f", "-", stdin=(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: "
        f"{kubectl.namespace}}}\n"
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n"
    ))  # fmt: skip
    assert "reconciled" in said


def test_events_are_sorted_filtered_and_followed(kubectl: Kubectl, admin: Api) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/events"
    for number, name in enumerate(("late", "early")):
        about = {"kind": "Pod", "namespace": kubectl.namespace, "name": name}
        stamp = f"2024-01-0{2 - number}T00:00:00Z"
        event = {"metadata": {"name": name}, "involvedObject": about, "reason": "Made", "message": f"of {name}",
                 "type": "Warning" if name == "late" else "Normal", "lastTimestamp": stamp,
                 "firstTimestamp": stamp}  # fmt: skip
        assert admin.post(path, event).status == 201
    sorted_ = kubectl("get", "events", "--sort-by=.lastTimestamp", "--no-headers").splitlines()
    assert [line.split()[-1] for line in sorted_] == ["early", "late"]
    picked = kubectl("get", "events", "--field-selector=type=Warning,involvedObject.kind=Pod", "-o", "name")
    assert picked == "event/late\n"
    assert "of early" in kubectl("get", "ev", "-o", "wide", "--field-selector=involvedObject.name=early")
