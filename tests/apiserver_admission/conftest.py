"""A whole apiserver for these tests: the fixtures of tests/apiserver."""

from tests.apiserver.conftest import (  # noqa: F401
    admin,
    as_user,
    certificates,
    kubectl,
    namespace,
    new_server,
    server,
)
