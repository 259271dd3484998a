"""Who is said to have answered: whoever did, in the head of an answer, in its body, in its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from experts.types import Request
from routers.base import Decision

NAMES = ("one", "two", "three")
SCRIPT = "one: drop\ntwo: say yes\nthree: say yes"


class Ordered:
    """The experts in their order."""

    name = "one"

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        scores = tuple(zip(NAMES, (0.9, 0.4, 0.3), strict=True))
        return [Decision("one", scores, "In order.") for _ in requests]


@pytest.fixture(scope="module")
async def panel(serve: Any, upstream: Any) -> Any:
    """A vote of three experts; the script lets the first one fail."""
    keys = {"type": "openai", "base_url": upstream.base_url}
    return await serve(
        {name: {**keys, "model": name} for name in NAMES},
        routers={"one": Ordered()},
        compositions={"pool/vote": {"router": "one", "aggregator": "vote"}},
        server={"retries": 0},
    )


async def test_a_whole_answer_of_a_panel_names_who_answered(panel: Any) -> None:
    answer = await panel.chat(SCRIPT, "pool/vote")
    assert answer.headers["x-coterie-expert"] == "two"
    assert answer.json()["coterie"]["expert"] == "two"


async def test_a_panels_stream_names_nobody_before_somebody_has_answered(panel: Any) -> None:
    explain = {"coterie": {"explain": True}}
    answer = await panel.chat(SCRIPT, "pool/vote", stream=True, **explain)
    assert "x-coterie-expert" not in answer.headers
    assert answer.headers["x-coterie-aggregator"] == "vote"
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    told = [json.loads(line.removeprefix("data: ")).get("coterie") for line in lines]
    first, *_, last = [one["expert"] for one in told if one is not None]
    assert (first, last) == (None, "two")


@pytest.mark.parametrize("stream", [True, False])
async def test_one_expert_is_known_before_it_begins(panel: Any, stream: bool) -> None:
    answer = await panel.chat("say yes", "two", stream=stream)
    assert answer.headers["x-coterie-expert"] == "two"
