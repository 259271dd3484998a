"""Requests as they go over the wire."""

import base64

import pytest

from experts.wire.names import Origin
from experts.wire.request import RequestHead


def _lines(url: str, **headers: str) -> list[bytes]:
    return RequestHead(url, headers).with_body({"x-own": "1"}, b"{}").split(b"\r\n")


def test_a_request_says_where_it_goes_and_how_long_it_is() -> None:
    lines = _lines("https://host.test/v1/chat/completions?a=b", accept="x")
    assert lines[0] == b"POST /v1/chat/completions?a=b HTTP/1.1"
    assert {b"host: host.test", b"accept: x", b"x-own: 1", b"content-length: 2"} <= set(lines)
    assert lines[-2:] == [b"", b"{}"]


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://host.test/v1", Origin(False, "host.test", 80), b"host.test"),
        ("https://host.test/v1", Origin(True, "host.test", 443), b"host.test"),
        ("http://host.test:8000/v1", Origin(False, "host.test", 8000), b"host.test:8000"),
        ("http://[::1]:8000/v1", Origin(False, "::1", 8000), b"[::1]:8000"),
    ],
)
def test_a_url_names_a_server(url: str, origin: Origin, host: bytes) -> None:
    assert RequestHead(url, {}).origin == origin
    assert b"host: " + host in _lines(url)


def test_a_user_in_the_url_is_told_unless_a_key_is() -> None:
    told = b"authorization: Basic " + base64.b64encode(b"ann:pass")
    assert told in _lines("http://ann:pass@host.test/v1")
    lines = _lines("http://ann:pass@host.test/v1", authorization="Bearer k")
    assert told not in lines
    assert b"authorization: Bearer k" in lines


@pytest.mark.parametrize("value", ["a\r\nx-forged: 1", "a\nb", "a\0"])
def test_a_value_cannot_end_its_line(value: str) -> None:
    with pytest.raises(ValueError, match="a line ends in the header x-model"):
        RequestHead("http://host.test", {}).with_body({"x-model": value}, b"")
