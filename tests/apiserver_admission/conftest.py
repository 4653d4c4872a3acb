"""A whole apiserver for these tests: the fixtures of tests/apiserver."""

import importlib.util
import sys
from pathlib import Path

_APISERVER = Path(__file__).parent.parent / "apiserver"
sys.path.insert(0, str(_APISERVER))


def _fixtures() -> object:
    """The folders of tests are no packages, so the fixtures of a neighbour are loaded by their path."""
    spec = importlib.util.spec_from_file_location("apiserver_fixtures", _APISERVER / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_shared = _fixtures()
certificates = _shared.certificates  # type: ignore[attr-defined]
new_server = _shared.new_server  # type: ignore[attr-defined]
server = _shared.server  # type: ignore[attr-defined]
as_user = _shared.as_user  # type: ignore[attr-defined]
admin = _shared.admin  # type: ignore[attr-defined]
namespace = _shared.namespace  # type: ignore[attr-defined]
kubectl = _shared.kubectl  # type: ignore[attr-defined]
