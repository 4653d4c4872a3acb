"""The daemon's answers as they come off the wire, in any pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadvisor_lite.http_body import Body, parse_response_head

CHUNKED = parse_response_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 40))
def test_chunks_come_out_whole_however_they_are_cut(chunks: list[bytes], size: int) -> None:
    wire = b"".join(b"%x;name=value\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body, found = Body(CHUNKED), b""
    for at in range(0, len(wire), size):
        if not body.ended:
            found += body.feed(wire[at : at + size])
    assert body.ended
    assert found == b"".join(chunks)


def test_a_body_with_a_length_ends_there_and_one_without_ends_with_the_connection() -> None:
    document = json.dumps({"Version": "20.10"}).encode()
    body = Body(parse_response_head(b"HTTP/1.1 200 OK\r\nContent-Length: %d" % len(document)))
    assert body.feed(document[:5]) + body.feed(document[5:]) == document
    assert body.ended
    endless = Body(parse_response_head(b"HTTP/1.1 200 OK"))
    assert endless.feed(document) == document
    assert not endless.ended
    assert endless.feed(b"") == b""
    assert endless.ended


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH", b"HTTP/1.1", b"HTTP/1.1 abc", b""])
def test_what_is_no_http_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match="no HTTP"):
        parse_response_head(head)


def test_a_connection_that_ends_inside_of_an_answer_is_no_answer() -> None:
    for head in (CHUNKED, parse_response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 9")):
        body = Body(head)
        body.feed(b"5\r\nab")
        with pytest.raises(EOFError):
            body.feed(b"")
    with pytest.raises(ValueError, match="invalid literal"):
        Body(CHUNKED).feed(b"what\r\n")
