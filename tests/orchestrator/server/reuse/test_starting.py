"""Kept answers over HTTP: hit, miss, whose they are, what is told, and who opts out."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from openai import AsyncOpenAI

CACHE = {"cache": {}}


async def ask(gateway: Any, script: str, **more: Any) -> Any:
    """A repeatable chat."""
    headers = more.pop("headers", {})
    body = {"model": "tiny", "messages": [{"role": "user", "content": script}], "temperature": 0}
    return await gateway.http.post("/v1/chat/completions", json={**body, **more}, headers=headers)


def outcome(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("x-coterie-cache")


@pytest.fixture
async def cached(serve: Any) -> Any:
    return await serve(server=CACHE)


async def test_an_equal_request_gets_the_same_answer(cached: Any, upstream: Any) -> None:
    first, second = await ask(cached, "say hit 1"), await ask(cached, "say hit 1")
    assert [outcome(first), outcome(second)] == [(200, "miss"), (200, "hit")]
    assert first.json()["choices"] == second.json()["choices"]
    assert upstream.asked["say hit 1"] == 1
    assert second.headers["age"] == "0"
    assert second.headers["x-coterie-expert"] == "tiny"
    assert [one.json()["coterie"]["cache"] for one in (first, second)] == ["miss", "hit"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
