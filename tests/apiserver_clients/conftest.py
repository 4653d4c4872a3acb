"""One apiserver for each test process, and the clients that must work with it as they are."""

import sys
from pathlib import Path

import pytest

# The folders are no packages (tests are imported by path); the server under test is the one of tests/apiserver.
sys.path.insert(0, str(Path(__file__).parents[1] / "apiserver"))
sys.path.insert(0, str(Path(__file__).parent))

from both import Both
from kubectls import GENERATIONS, Kubectl, binary
from served import admin, certificates, kubeconfig, namespace, server
from tests_apiserver import Api

from tests.client_files import client_files

__all__ = ["admin", "certificates", "client_files", "kubeconfig", "namespace", "server"]


@pytest.fixture(params=GENERATIONS)
def kubectl(request: pytest.FixtureRequest, kubeconfig: Path, namespace: str, tmp_path: Path) -> Kubectl:
    """Each generation of kubectl in turn, in the test's namespace."""
    generation: str = request.param
    return Kubectl(generation, binary(generation), kubeconfig, namespace, tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of a test's calls lie; it works there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def spaces(admin: Api) -> tuple[str, str]:
    """Two namespaces of the test's own."""
    first, second = (admin.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}}).json for _ in "ab")
    return first["metadata"]["name"], second["metadata"]["name"]


@pytest.fixture
def both(spaces: tuple[str, str], kubeconfig: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Both:
    """kubectl and steer, whose answers must be the same to the letter."""
    return Both(spaces, kubeconfig, folder, capsys)


@pytest.fixture
def loosely(spaces: tuple[str, str], kubeconfig: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Both:
    """kubectl and steer, whose answers may differ in ages and in the width of columns."""
    return Both(spaces, kubeconfig, folder, capsys, loose=True)
