"""A response that its readers get while it comes, and what becomes of one that breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from experts.errors import ExpertLost, InternalError, KeyReused
from orchestrator.server.reuse.ledger import Record
from orchestrator.server.reuse.work import Follower, Work

HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"x-request-id", b"r"), (b"x-ratelimit-remaining-requests", b"9")],
}


def body(piece: bytes, *, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def read(work: Work, *, again: bool = True) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    mine = [("x-ratelimit-remaining-requests", "8")]
    await Follower(work, "mine", send, lambda: mine).follow(again=again)
    return sent


async def test_others_than_the_first_get_headers_of_their_own() -> None:
    work = Work("f")
    await work.send(HEAD)
    await work.send(body(b"x"))
    work.end()
    head, *rest = await read(work, again=False)
    assert dict(head["headers"]) == dict(HEAD["headers"])  # type: ignore[call-overload]
    head, *again = await read(work)
    assert dict(head["headers"]) == {
        b"x-request-id": b"r",
        b"x-ratelimit-remaining-requests": b"8",
        b"idempotency-replayed": b"true",
    }
    assert rest == again == [body(b"x", more=True), body(b"")]
    assert work.record == Record("f", 200, (("x-request-id", "r"),), b"x")


async def test_what_broke_it_is_raised_for_all_and_nothing_is_kept() -> None:
    work = Work("f")
    await work.send(HEAD)
    await work.send(body(b"x", more=True))
    work.end(ValueError("a bug"))
    work.end()
    for again in (False, True):
        with pytest.raises(ValueError, match="a bug"):
            await read(work, again=again)
    assert work.record is None


async def test_an_answer_that_never_ended_is_a_fault() -> None:
    work = Work("f")
    await work.send(HEAD)
    await work.send(body(b"x", more=True))
    work.end()
    with pytest.raises(InternalError):
        await read(work)


@pytest.mark.parametrize("by", ["refusal", "fault"])
async def test_a_refusal_is_told_with_each_ones_own_id(by: str) -> None:
    work = Work("f")
    error = KeyReused("It was another's.") if by == "refusal" else ExpertLost("no", expert="a")
    work.refusal = error if by == "refusal" else None
    work.end(None if by == "refusal" else error)
    head, told = await read(work)
    assert dict(head["headers"])[b"x-request-id"] == b"mine"
    assert json.loads(told["body"])["error"]["code"] == error.code


async def test_an_error_is_given_and_not_kept() -> None:
    work = Work("f")
    await work.send({**HEAD, "status": 400})
    await work.send(body(b"{}"))
    work.end()
    assert (await read(work))[0]["status"] == 400
    assert work.record is None
