"""An explanation tells what each expert of a panel has said, and at which stage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routers.base import Decision

EXPLAIN = {"explain": True}
NAMES = ("one", "two")


@pytest.fixture(scope="module")
async def panel(serve: Any, upstream: Any) -> Any:
    """Two experts that vote, debate, or are merged; explanations have 12 characters of each."""
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name} for name in NAMES
    }
    return await serve(
        experts,
        routers={"one": _Both()},
        compositions={
            "pool/vote": {"router": "one", "aggregator": {"type": "vote", "stop_at": None}},
            "pool/debate": {"router": "one", "aggregator": {"type": "debate", "rounds": 1}},
            "pool/merge": {"router": "one", "aggregator": {"type": "synthesize", "expert": "two"}},
        },
        server={"max_explained_characters": 12},
    )


class _Both:
    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        return [Decision("one", (("one", 0.9), ("two", 0.4)), "Both.") for _ in requests]


def script(one: str, two: str) -> str:
    return f"one: {one}\ntwo: {two}"


async def said(gateway: Any, text: str, model: str, **options: Any) -> Any:
    answer = await gateway.chat(text, model, coterie={**EXPLAIN, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["coterie"].get("said")


async def test_a_vote_tells_who_said_what(panel: Any) -> None:
    found = await said(panel, script("say yes", "say no, never, not at all"), "pool/vote")
    assert sorted(found, key=lambda one: one["expert"]) == [
        {"expert": "one", "stage": "first answers", "text": "yes", "cut": False, "error": None},
        {
            "expert": "two",
            "stage": "first answers",
            "text": "no, never, n",
            "cut": True,
            "error": None,
        },
    ]


async def test_a_debate_tells_its_rounds(panel: Any) -> None:
    found = await said(panel, script("say yes", "say no"), "pool/debate")
    assert [one["stage"] for one in found] == ["first answers"] * 2 + ["round 1"] * 2


async def test_a_member_that_failed_is_there_with_its_error(panel: Any) -> None:
    found = await said(panel, script("say yes", "refuse plain"), "pool/vote")
    errors = {one["expert"]: one["error"] for one in found}
    assert errors["one"] is None
    assert errors["two"] is not None


async def test_nobody_is_heard_unless_somebody_wants_to_know(panel: Any) -> None:
    answer = await panel.chat(script("say yes", "say yes"), "pool/vote")
    assert "said" not in answer.json()["coterie"]
    assert await said(panel, "say x", "one") is None


async def test_a_stream_tells_it_in_its_last_chunk(panel: Any) -> None:
    body = {
        "model": "pool/merge",
        "stream": True,
        "messages": [{"role": "user", "content": script("say yes", "say no")}],
        "coterie": EXPLAIN,
    }
    answer = await panel.http.post("/v1/chat/completions", json=body)
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n")]
    told = [json.loads(line).get("coterie") for line in lines if line.startswith("{")]
    first, *_, last = [one for one in told if one is not None]
    assert "said" not in first
    assert [one["stage"] for one in last["said"]][-1] == "two writes the answer"
    assert {one["expert"] for one in last["said"]} == set(NAMES)


@pytest.mark.parametrize("model", ["one", "pool/vote"])
async def test_tokens_are_told_where_they_can_be(panel: Any, model: str) -> None:
    text = script("say yes", "say yes")
    asked = await panel.chat(text, model, coterie={"tokens": "auto"})
    assert asked.status_code == 200
    assert "coterie" not in asked.json()["choices"][0]
    refused = await panel.chat(text, model, coterie={"tokens": True})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "coterie.tokens"
