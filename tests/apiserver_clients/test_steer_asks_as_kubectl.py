"""The flags that all verbs share: which server, and as whom. The same words, the same answers as kubectl's."""

from pathlib import Path

import pytest
from both import Both
from tests_apiserver import Api

from cli.steer.main import main
from client import load_kubeconfig

SAME = """
auth whoami
auth whoami --as=eve
auth whoami --as=eve --as-group=a --as-group=b --as-uid=7
get pods --as=eve
--as eve auth can-i get pods
auth can-i get pods --as=system:serviceaccount:NAMESPACE:default
get cm --request-timeout=10s
create rolebinding b --clusterrole=view --user=u
get rolebinding b -o jsonpath={.subjects}
"""


def test_who_asks_may_be_said(both: Both) -> None:
    both.same(SAME.strip().splitlines())


def test_a_kustomization_is_applied_and_deleted(loosely: Both, folder: Path) -> None:
    (folder / "kustomization.yaml").write_text("resources: [map.yaml]\nnamePrefix: p-\n")
    (folder / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n")
    loosely.same(f"{verb} -k ." for verb in ("apply", "get", "describe", "diff", "label a=b", "delete", "delete"))


def test_who_sets_fields_may_be_named(admin: Api, both: Both) -> None:
    both.same(["create cm a --from-literal=a=b --field-manager=me", "get cm a --template={{.data.a}}"])


@pytest.mark.parametrize("words", [["--user=nosuch"], ["--cluster=nosuch"], ["--as-group=a"]])
def test_what_cannot_be_is_refused(both: Both, words: list[str]) -> None:
    theirs, ours = both.kubectl("get", "cm", *words), both.steer("get", "cm", *words)
    assert theirs[2] == ours[2] == 1
    assert ours[1].startswith("error: ")


def test_a_server_needs_no_kubeconfig(
    admin: Api, kubeconfig: Path, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = load_kubeconfig(kubeconfig)
    for name, data in (("ca", known.ca), ("crt", known.certificate), ("key", known.key)):
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    words = [f"--certificate-authority={tmp_path}/ca", f"--client-certificate={tmp_path}/crt",
             f"--client-key={tmp_path}/key", "-s", known.server]  # fmt: skip
    assert main([*words, "get", "ns", namespace, "-o", "name"]) == 0
    assert capsys.readouterr().out == f"namespace/{namespace}\n"
    assert main(["get", "ns", "-s", known.server, f"--certificate-authority={tmp_path}/ca", "--token=wrong"]) == 1
    assert "Unauthorized" in capsys.readouterr().err
