"""What a path of resources says, and that all which differ in names only lead the same way."""

import pytest

from api.errors import MethodNotAllowed, NotFound
from master.apiserver.http.message import segments_of
from master.apiserver.routing import Path, Router, path_of


def parts(path: str) -> Path:
    return path_of(segments_of(path))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/pods", Path("", "v1", "pods")),
        ("/api/v1/nodes/n1/status", Path("", "v1", "nodes", "", "n1", "status")),
        ("/api/v1/namespaces/a", Path("", "v1", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/status", Path("", "v1", "namespaces", "", "a", "status")),
        ("/api/v1/namespaces/a/finalize", Path("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/namespaces/a/pods", Path("", "v1", "pods", "a")),
        ("/api/v1/namespaces/a/pods/b/log", Path("", "v1", "pods", "a", "b", "log")),
        ("/api/v1/namespaces/a/pods/b/proxy/c/d", Path("", "v1", "pods", "a", "b", "proxy")),
        ("/api/v1/watch/namespaces/a/pods", Path("", "v1", "pods", "a", watch=True)),
        ("/apis/apps/v1/namespaces/a/replicasets/b", Path("apps", "v1", "replicasets", "a", "b")),
    ],
)
def test_a_path_says(path: str, said: Path) -> None:
    assert parts(path) == said


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/other/v1/pods",
        "/api/v1/namespaces/a/pods/..",
        "/api/v1/namespaces/a%2Fb/pods",
        "/api/v1/namespaces/a/pods/b/status/more",
    ],
)
def test_no_path_of_resources(path: str) -> None:
    with pytest.raises(NotFound):
        parts(path)


def test_names_do_not_change_the_way() -> None:
    router = Router()
    one = router.way("PATCH", parts("/api/v1/namespaces/a/pods/b/status"), watch=False)
    assert one == router.way("PATCH", parts("/api/v1/namespaces/c/pods/d/status"), watch=False)
    assert (one.verb, one.resource.kind, one.subresource) == ("patch", "Pod", "status")


def test_what_is_not_served_there_is_refused() -> None:
    router = Router()
    with pytest.raises(NotFound):
        router.way("GET", parts("/api/v1/namespaces/a/nodes/b"), watch=False)
    with pytest.raises(NotFound):
        router.way("GET", parts("/api/v1/pods/b"), watch=False)
    with pytest.raises(MethodNotAllowed):
        router.way("POST", parts("/api/v1/namespaces/a/pods/b"), watch=False)


def test_the_first_form_of_a_watch_is_for_watching_alone() -> None:
    router = Router()
    for path in ("/api/v1/watch/namespaces/a/pods", "/api/v1/watch/namespaces/a/pods/b"):
        assert router.way("GET", parts(path), watch=False).verb == "watch"
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(MethodNotAllowed):
                router.way(method, parts(path), watch=False)


def test_any_method_may_be_meant_for_what_stands_behind_a_proxy() -> None:
    router = Router()
    for path in (
        "/api/v1/nodes/b/proxy",
        "/api/v1/namespaces/a/pods/b/proxy/",
        "/api/v1/namespaces/a/services/b/proxy",
    ):
        assert router.way("OPTIONS", parts(path), watch=False).verb == "options"
    with pytest.raises(MethodNotAllowed):
        router.way("OPTIONS", parts("/api/v1/namespaces/a/pods/b"), watch=False)
