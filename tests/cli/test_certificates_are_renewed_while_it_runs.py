"""The supervisor looks after the certificates now and then, not only when the cluster is brought up."""

from pathlib import Path

import pytest

from cli import up
from cli.cluster import Settings
from cli.directories import claim_all
from cli.install import prepare


def test_what_is_worn_is_made_anew_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(root=tmp_path, node_name="n1", advertise_address="127.0.0.1")
    claim_all(settings)
    prepare(settings)
    kubeconfig = settings.kubeconfig("scheduler")
    step = up._renew_now_and_then(settings)
    kubeconfig.unlink()
    assert step() is not None
    assert not kubeconfig.exists()
    monkeypatch.setattr(up, "RENEW_INTERVAL_S", 0.0)
    up._renew_now_and_then(settings)()
    assert kubeconfig.exists()
