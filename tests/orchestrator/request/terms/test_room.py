"""A request that nobody will answer: refused where the expert's context could not hold it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from experts.engine import Reply
from experts.errors import ExpertLost, ExpertOverloaded, ExpertRefused
from experts.types import Request
from orchestrator.request.context import RequestContext
from orchestrator.request.terms.room import check_room

HELD = {"count": 1000, "max_model_len": 1024}


class Pool:
    """One expert, which counts."""

    def __init__(self, told: Any = HELD, url: str | None = "http://x/v1") -> None:
        self.told = told
        self.url = url
        self.bodies: list[Any] = []

    def expert_url(self, expert: str) -> str | None:
        return self.url

    async def lease(self, expert: str, request_class: str, *, patient: bool) -> Any:
        if isinstance(self.told, ExpertOverloaded):
            raise self.told
        return self._held()

    @contextmanager
    def _held(self) -> Iterator[Any]:
        yield SimpleNamespace(engine=self if self.told is not None else object())

    async def call(self, method: str, path: str, body: Any) -> Reply:
        self.bodies.append((method, path, body))
        if isinstance(self.told, ExpertLost):
            raise self.told
        content = self.told if isinstance(self.told, bytes) else json.dumps(self.told).encode()
        return Reply(200, "application/json", content)


def asked(**body: Any) -> RequestContext:
    request = Request("r", "completions", {"prompt": "x", "temperature": 1, **body})
    return RequestContext(request, "pool/auto")


@pytest.mark.parametrize(("most", "fits"), [(None, True), (24, True), (25, False)])
async def test_the_text_and_what_is_asked_for_must_fit(most: int | None, fits: bool) -> None:
    pool: Any = Pool()
    context = asked(max_tokens=most)
    if fits:
        await check_room(context, "a", pool)
    else:
        with pytest.raises(ExpertRefused, match="maximum context length is 1024") as caught:
            await check_room(context, "a", pool)
        assert (caught.value.status, caught.value.expert) == (400, "a")
        assert caught.value.body["code"] == "context_length_exceeded"
    assert pool.bodies == [("POST", "tokenize", {"prompt": "x"})]


async def test_ids_are_counted_as_they_were_sent() -> None:
    pool: Any = Pool()
    context = asked()
    sent = Request("r", "completions", {"prompt": [1, 2]})
    await check_room(RequestContext(context.request, "m", as_sent=sent), "a", pool)
    assert pool.bodies[0][2] == {"prompt": [1, 2]}


async def test_nothing_is_loaded_for_it() -> None:
    pool: Any = Pool(url=None)
    await check_room(asked(max_tokens=9999), "a", pool)
    assert pool.bodies == []


@pytest.mark.parametrize(
    "told",
    [
        None,
        b"<html>",
        [],
        {"count": 5000},
        {"count": "5000", "max_model_len": 3},
        ExpertLost("gone", expert="a"),
        ExpertOverloaded("busy", expert="a"),
    ],
)
async def test_who_cannot_count_has_no_objection(told: Any) -> None:
    pool: Any = Pool(told)
    await check_room(asked(max_tokens=9999), "a", pool)
