"""Errors within an engine's stream: raised with their status, wherever the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIError, BadRequestError

from experts.errors import ExpertRefused
from orchestrator.request.terms.refusals import refused

REFUSED = {
    "error": {"message": "token 9 is none", "type": "BadRequestError", "param": None, "code": 400}
}
EVENT = b"data: " + json.dumps(REFUSED).encode() + b"\n\n"
PIECE = b'data: {"choices": [{"index": 0, "text": "a \\"error\\" here"}], "error": null}\n\n'


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(*parts: bytes) -> tuple[bytes, ExpertRefused | None]:
    found = b""
    try:
        async for piece in refused("one", pieces(*parts)):
            found += piece
    except ExpertRefused as error:
        return found, error
    return found, None


@given(st.integers(0, 2), st.sets(st.integers(0, 200)), st.booleans())
async def test_an_error_is_raised_where_it_stands(
    before: int, cuts: set[int], spaced: bool
) -> None:
    event = EVENT if spaced else EVENT.replace(b'": ', b'":').replace(b": {", b":{")
    whole = PIECE * before + event
    places = [0, *sorted(cuts), len(whole)]
    parts = [whole[a:b] for a, b in pairwise(places) if a < b]
    found, error = await read(*parts)
    assert found == PIECE * before
    assert error is not None
    assert (error.status, error.message) == (400, "token 9 is none")


@pytest.mark.parametrize(
    ("code", "status"), [(400, 400), (None, 502), ("bad", 502), (True, 502), (200, 502), (503, 503)]
)
async def test_the_status_is_the_code_where_that_is_one(code: Any, status: int) -> None:
    event = b"data: " + json.dumps({"error": {"message": "m", "code": code}}).encode() + b"\n\n"
    _, error = await read(event)
    assert error is not None
    assert error.status == status


@pytest.mark.parametrize("parts", [[PIECE], [b'data: {"error": null, "choices": []}\n\n'], [b""]])
async def test_all_else_passes_untouched(parts: list[bytes]) -> None:
    assert await read(*parts) == (b"".join(parts), None)


@given(st.lists(st.integers(0, len(PIECE) * 2)))
async def test_nothing_is_lost_however_it_is_cut(cuts: list[int]) -> None:
    whole = PIECE * 2 + b"data: [DONE]\n\ndata:"
    places = [0, *sorted(cuts), len(whole)]
    assert await read(*(whole[a:b] for a, b in pairwise(places))) == (whole, None)


async def test_a_stream_that_begins_with_one_is_a_400(gateway: Any) -> None:
    messages: Any = [{"role": "user", "content": f"event {json.dumps(REFUSED)}"}]
    with pytest.raises(BadRequestError, match="token 9 is none") as caught:
        await gateway.openai.chat.completions.create(model="tiny", messages=messages, stream=True)
    assert caught.value.code == "invalid_request"
    assert caught.value.type == "invalid_request_error"


async def test_one_that_comes_later_has_openais_shape(gateway: Any) -> None:
    messages: Any = [{"role": "user", "content": "cut-error"}]
    asked = {"model": "tiny", "messages": messages, "stream": True}
    answer = await gateway.http.post("/v1/chat/completions", json=asked)
    *_, last, done, _ = answer.text.split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert (error["message"], error["type"]) == ("engine died", "server_error")
    assert isinstance(error["code"], str)
    assert done == "data: [DONE]"
    stream = await gateway.openai.chat.completions.create(**asked)
    with pytest.raises(APIError, match="engine died"):
        [chunk async for chunk in stream]
