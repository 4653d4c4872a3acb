"""gzip: for large answers to clients that take it, and for nobody else."""

import gzip

import pytest

from master.apiserver.http.compression import accepts_gzip
from master.apiserver.http.message import Response
from tests.apiserver_http.live import Serve

LARGE = b'{"kind":"Pod"}' * 20_000


def ask(encoding: str) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " + encoding.encode() + b"\r\n\r\n"


def test_a_large_answer_is_gzipped_and_order_is_kept(serve: Serve) -> None:
    client = serve(lambda _: Response(200, LARGE)).connect().send(ask("gzip") + ask("identity") + ask("gzip"))
    replies = [client.response() for _ in range(3)]
    assert [r.headers.get("content-encoding") for r in replies] == ["gzip", None, "gzip"]
    assert gzip.decompress(replies[0].body) == replies[1].body == LARGE
    assert replies[0].headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("body", "headers", "encoding"),
    [
        (LARGE[: 128 * 1024], (), "gzip"),
        (LARGE, (("content-encoding", "br"),), "gzip"),
        (LARGE, (), "gzip;q=0"),
        (LARGE, (), "br"),
    ],
)
def test_other_answers_are_left_alone(
    serve: Serve, body: bytes, headers: tuple[tuple[str, str], ...], encoding: str
) -> None:
    client = serve(lambda _: Response(200, body, headers=headers)).connect().send(ask(encoding))
    assert client.response().body == body


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
        ("", False),
        ("xgzip", False),
    ],
)
def test_accept_encoding_is_read_as_written(value: str, accepted: bool) -> None:
    assert accepts_gzip(value) is accepted
