"""`steer cluster-info dump`: the files that kubectl writes, with the same objects and logs."""

import json
from pathlib import Path

from both import Both
from kubectls import DEPLOYMENT

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p1}
spec: {containers: [{name: c, image: x}, {name: d, image: x}], initContainers: [{name: i, image: x}]}
"""


def dumped(folder: Path, space: str) -> dict[str, object]:
    """By file what it says, without what no two objects share."""
    found: dict[str, object] = {}
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        text = file.read_text()
        name = str(file.relative_to(folder)).replace(space, "NAMESPACE")
        if file.suffix == ".json":
            document = json.loads(text)
            items = [item["metadata"]["name"].replace(space, "NAMESPACE") for item in document["items"] or ()]
            found[name] = document["kind"], items if "nodes" not in name else "any"
        else:
            found[name] = sorted(text.replace(space, "NAMESPACE").splitlines())
    return found


def test_all_is_written_into_files(loosely: Both, folder: Path) -> None:
    loosely.create(DEPLOYMENT)
    loosely.create(POD)
    made = []
    for call, space in zip((loosely.kubectl, loosely.steer), loosely.spaces, strict=True):
        out, err, code = call("cluster-info", "dump", "--namespaces=NAMESPACE", "--output-directory=out")
        assert (out, err, code) == ("Cluster info dumped to out\n", "", 0)
        made.append(dumped(folder / "out", space))
        (folder / "out").rename(folder / space)
    assert made[1] == made[0]
    loosely.same(["cluster-info"])


def test_it_is_printed(loosely: Both) -> None:
    loosely.create(POD)
    out, _, code = loosely.steer("cluster-info", "dump")
    assert code == 0
    assert '"kind": "NodeList"' in out
    assert "==== START logs for container d of pod NAMESPACE/p1 ====\n" in out
