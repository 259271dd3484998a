"""What Anthropic's clients send and expect around the bodies, with an application of one answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from experts.errors import ServiceStopping
from orchestrator.server.errors import body_of, response_start
from orchestrator.server.gates.anthropic import AnthropicGate

STOPS = json.dumps(body_of(ServiceStopping("It stops.", hint="Retry."))).encode()


class OneAnswer:
    """Answers every request alike, in pieces, and keeps the scope."""

    def __init__(self, status: int, *pieces: bytes) -> None:
        self.scope: Any = None
        self._status = status
        self._pieces = pieces

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        length = str(sum(map(len, self._pieces)))
        headers = {"content-type": "x", "content-length": length, "x-request-id": "r-7"}
        await send(response_start(self._status, headers))
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def asked(app: OneAnswer, path: str, *headers: tuple[bytes, bytes]) -> list[Any]:
    """What is sent for a request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nobody reads")

    scope = {"type": "http", "path": path, "headers": list(headers)}
    await AnthropicGate(app)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/messages/", "/v1/messages/count_tokens", "/batch/v1/messages"]
)
async def test_errors_below_messages_get_anthropics_shape(path: str) -> None:
    head, body = await asked(OneAnswer(503, STOPS[:9], STOPS[9:]), path)
    told = json.loads(body["body"])
    assert told["type"] == "error"
    assert told["error"]["type"] == "overloaded_error"
    assert told["error"]["message"] == "It stops. Retry."
    headers = dict(head["headers"])
    assert told["request_id"] == "r-7"
    assert headers[b"request-id"] == b"r-7"
    assert int(headers[b"content-length"]) == len(body["body"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messagesx", "/v1", "/messages"])
async def test_other_errors_stay_as_they_are(path: str) -> None:
    head, *pieces = await asked(OneAnswer(503, STOPS), path)
    assert b"".join(piece["body"] for piece in pieces) == STOPS
    assert b"request-id" not in dict(head["headers"])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"detail": "x"}'])
async def test_what_is_no_error_of_ours_stays_as_it_is(body: bytes) -> None:
    head, sent = await asked(OneAnswer(404, body), "/v1/messages")
    assert sent["body"] == body
    assert int(dict(head["headers"])[b"content-length"]) == len(body)


async def test_answers_pass_piece_by_piece() -> None:
    head, *pieces = await asked(OneAnswer(200, b"a", b"b"), "/v1/messages")
    assert [piece["body"] for piece in pieces] == [b"a", b"b", b""]
    assert dict(head["headers"])[b"request-id"] == b"r-7"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"x-api-key", b"k")], b"Bearer k"),
        ([(b"x-api-key", b"k"), (b"authorization", b"Bearer other")], b"Bearer other"),
        ([], None),
    ],
)
async def test_a_key_may_come_by_its_own_header(
    headers: list[tuple[bytes, bytes]], expected: bytes | None
) -> None:
    app = OneAnswer(200)
    await asked(app, "/v1/models", *headers)
    assert dict(app.scope["headers"]).get(b"authorization") == expected
