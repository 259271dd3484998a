"""Answers of panels are kept like others, but not those for which somebody was missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

BOTH = {"model": "pool/both", "coterie": {"experts": ["tiny", "other"]}}


@pytest.fixture(scope="session")
async def panel(serve: Any, upstream: Any) -> Any:
    other = {"type": "openai", "base_url": upstream.base_url, "model": "other-model"}
    return await serve(
        {"other": other},
        compositions={"pool/both": {"router": "one", "aggregator": "vote"}},
        server={"cache": {}, "retries": 0},
    )


def told_in(stream: str) -> list[Any]:
    """What the field `coterie` of a stream's chunks says."""
    lines = [line[6:] for line in stream.splitlines() if line.startswith("data: {")]
    return [tree["coterie"] for line in lines if "coterie" in (tree := json.loads(line))]


async def test_a_panel_is_asked_once(panel: Any, ask: Any, upstream: Any) -> None:
    first, second = [await ask(panel, "say both", **BOTH) for _ in "12"]
    assert upstream.asked["say both"] == 2  # One for each of them.
    assert [one.headers["x-coterie-cache"] for one in (first, second)] == ["miss", "hit"]
    assert second.json()["choices"] == first.json()["choices"]
    told = second.json()["coterie"]
    assert (told["cache"], told["panel"]) == ("hit", ["tiny", "other"])
    assert second.headers["x-coterie-aggregator"] == "vote"
    assert second.headers["x-coterie-expert"] == first.headers["x-coterie-expert"]


async def test_the_end_of_a_stream_tells_whoever_reads_it_where_it_is_from(
    panel: Any, ask: Any
) -> None:
    asked = {**BOTH, "stream": True}
    first, second = [(await ask(panel, "say told", **asked)).text for _ in "12"]
    assert [one["cache"] for one in told_in(first) + told_in(second)] == ["miss", "hit"]
    assert told_in(second)[0]["attempts"] == 0
    chunks = [
        [part for part in one.split("\n\n") if "coterie" not in part and "data" in part]
        for one in (first, second)
    ]
    assert chunks[0] == chunks[1]


@pytest.mark.parametrize("failure", ["drop", "refuse broken", "refuse coded"])
async def test_without_one_of_its_experts_it_is_given_and_not_kept(
    panel: Any, ask: Any, upstream: Any, failure: str
) -> None:
    script = f"tiny-model: {failure}\nother-model: say alone {failure}"
    found = [await ask(panel, script, **BOTH) for _ in "12"]
    assert [(one.status_code, one.headers["x-coterie-cache"]) for one in found] == [
        (200, "miss")
    ] * 2
    assert upstream.asked[f"say alone {failure}"] == 2
