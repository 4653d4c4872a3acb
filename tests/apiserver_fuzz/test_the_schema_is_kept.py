"""schemathesis: requests made from our own OpenAPI documents; no 5xx, and answers are what the documents say."""

import time
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance

from master.apiserver.schemas import served_paths
from tests.apiserver_fuzz.live import HANG_S, Client, Server

DOCUMENT_S = 4.0
"""No document is asked about for longer; those with many operations are asked fewer questions for each."""
_PATHS = sorted(
    {
        f"apis/{one.resource.api_version}" if one.resource.group else f"api/{one.resource.version}"
        for one in served_paths()
    }
)


def test_every_document_is_asked_about(client: Client) -> None:
    assert set(client.get("/openapi/v3").json["paths"]) == set(_PATHS)


def _case(operation: Any) -> st.SearchStrategy[Any]:
    """Requests that fit the document, and requests that do not."""
    return st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )


@pytest.mark.parametrize("path", _PATHS)
def test_requests_made_from_the_schema(server: Server, client: Client, path: str) -> None:
    load_all_checks()
    base = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_dict(client.get(f"/openapi/v3/{path}").json)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    end = time.monotonic() + DOCUMENT_S
    with requests.Session() as session:
        session.trust_env = False
        for operation in operations:
            if time.monotonic() > end:
                break
            _ask(operation, base, session, examples=max(1, 80 // len(operations)))


def _ask(operation: Any, base: str, session: requests.Session, *, examples: int) -> None:
    @seed(20)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=_case(operation))
    def ask(case: Any) -> None:
        if case.query.get("watch") or case.query.get("follow") or "/watch/" in operation.path:
            return  # stays open
        answer = case.call(base_url=base, session=session, timeout=HANG_S, params={"dryRun": "All"})
        case.validate_response(answer, checks=[not_a_server_error, content_type_conformance])

    ask()
