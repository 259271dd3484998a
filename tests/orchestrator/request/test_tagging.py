"""A tagger that fails: in all of its samples, in some of them, and in all but one."""

from __future__ import annotations

from typing import Any

from scripted_ask import ScriptedAsk, chat
from scripted_pieces import lost

from orchestrator.request.tagging import tagged
from orchestrator.request.tracing.trace import Trace
from routers.base import Tagging

TAGGING = Tagging("tagger", "Question: {question}\nKeywords:", 4, 0.7, 16)
FAILED = lost("tagger")


async def keywords(*samples: Any) -> tuple[tuple[str, ...], ScriptedAsk, Trace]:
    """What is made of these samples; None is one that never comes."""
    given = iter(samples)

    class Samples(ScriptedAsk):
        async def __call__(self, expert: str, request: Any, *, whole: bool = False) -> Any:
            self._scripts = {expert: next(given)}
            async for chunk in super().__call__(expert, request):
                yield chunk

    ask, trace = Samples({}), Trace()
    return (await tagged(chat(), TAGGING, trace, ask)).keywords, ask, trace


async def test_samples_that_fail_are_left_out() -> None:
    found, ask, _ = await keywords(FAILED, "places, rivers", "Places.", FAILED)
    assert found == ("places",)
    assert ask.facts["failed"] == ["tagger is lost."] * 2


async def test_the_last_sample_is_aborted_where_it_has_nobody_to_agree_with() -> None:
    found, ask, trace = await keywords(FAILED, FAILED, FAILED, None)
    assert found == ()
    assert ask.aborted == {"tagger": 1}
    assert "tagger is lost." in trace.retried[0]


async def test_where_all_fail_the_router_is_left_alone() -> None:
    found, ask, trace = await keywords(*[FAILED] * 4)
    assert found == ()
    assert len(ask.asked) == 4
    assert "tagger is lost." in trace.retried[0]


async def test_every_sample_has_a_seed_of_its_own() -> None:
    _, ask, _ = await keywords("places", "rivers", "places", "rivers")
    assert len({request.body["seed"] for _, request in ask.asked}) == 4
