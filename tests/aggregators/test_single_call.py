"""One expert's answer as it streams, and what is said in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from scripted_ask import ScriptedAsk, chat
from scripted_pieces import Pieces, lost, refused, spent

from aggregators.gather import Answer
from aggregators.single_call import stream_or_fallback
from experts.errors import ExpertError, ExpertLost, ExpertRefused, NobodyAnswered
from experts.types import Chunk, Completion, Request

FIRST = Answer(0, "Lima.", Completion("one", "Lima.", "stop"))


class TestSpeaking:
    async def spoken(
        self, ask: ScriptedAsk, otherwise: Answer | None = FIRST, errors: Sequence[ExpertError] = ()
    ) -> list[Chunk]:
        return [
            chunk async for chunk in stream_or_fallback("chief", chat(), ask, otherwise, errors)
        ]

    async def test_the_lead_is_heard_as_it_speaks(self) -> None:
        go_on = asyncio.Event()
        scripts: dict[str, Any] = {"chief": ("It ", go_on, Chunk("is Lima.", "stop"))}
        stream = stream_or_fallback("chief", chat(), Pieces(scripts), FIRST)
        assert (await anext(stream)).text == "It "
        go_on.set()
        assert [chunk async for chunk in stream] == [Chunk("is Lima.", "stop")]

    async def test_who_hears_no_more_ends_the_lead(self) -> None:
        closed = []

        class Watched(ScriptedAsk):
            async def __call__(
                self, expert: str, request: Request, *, whole: bool = False
            ) -> AsyncIterator[Chunk]:
                try:
                    yield Chunk("It ")
                    yield Chunk("is")
                finally:
                    closed.append(expert)

        stream = stream_or_fallback("chief", chat(), Watched({}), FIRST)
        await anext(stream)
        await stream.aclose()
        assert closed == ["chief"]

    async def test_an_answer_without_an_end_ends(self) -> None:
        chunks = await self.spoken(Pieces({"chief": ("It ", "is Lima.")}))
        assert [chunk.finish_reason for chunk in chunks] == [None, None, "stop"]

    @pytest.mark.parametrize(
        "script",
        [
            (lost("chief"),),
            (" \n", lost("chief")),
            (spent("chief"),),
            (" ", Chunk("\n", "stop")),
            (Chunk("", "length"),),
            (),
        ],
    )
    async def test_a_lead_that_says_nothing_is_stood_in_for(self, script: tuple[Any, ...]) -> None:
        ask = Pieces({"chief": script})
        assert await self.spoken(ask) == [Chunk("Lima.", "stop")]
        assert len(ask.facts["failed"]) == 1

    async def test_who_stands_in_keeps_the_reason_of_its_end(self) -> None:
        cut = Answer(0, "Lim", Completion("one", "Lim", "length"))
        assert await self.spoken(Pieces({"chief": ()}), cut) == [Chunk("Lim", "length")]

    async def test_an_answer_that_breaks_off_is_an_error(self) -> None:
        stream = stream_or_fallback(
            "chief", chat(), Pieces({"chief": ("It is", lost("chief"))}), FIRST
        )
        assert (await anext(stream)).text == "It is"
        with pytest.raises(ExpertLost):
            await anext(stream)

    async def test_a_budget_that_ends_midway_ends_the_answer(self) -> None:
        ask = Pieces({"chief": ("It is", spent("chief"))})
        assert await self.spoken(ask) == [Chunk("It is"), Chunk("", "length")]
        assert ask.facts["failed"] == ["chief: The budget is spent."]

    async def test_where_nobody_stands_in_all_reasons_are_raised(self) -> None:
        with pytest.raises(NobodyAnswered, match=r"one is lost\. chief said nothing\."):
            await self.spoken(Pieces({"chief": ()}), None, [lost("one")])

    async def test_where_nobody_stands_in_a_refusal_stays_one(self) -> None:
        with pytest.raises(ExpertRefused):
            await self.spoken(ScriptedAsk({"chief": refused("chief", 400)}), None)
