"""Many calls at once: who is waited for, who is aborted, what is raised where nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from scripted_ask import ScriptedAsk, chat

from aggregators.gather import Answer, Call, all_failed_error, gather, stream_or_fallback
from experts.errors import (
    BudgetSpent,
    ExpertError,
    ExpertLost,
    ExpertRefused,
    NobodyAnswered,
)
from experts.types import Chunk, Completion, Request

FIRST = Answer(0, "Lima.", Completion("one", "Lima.", "stop"))


class Pieces(ScriptedAsk):
    """A tuple is one answer in pieces: texts, events to wait for, and an error to break off with.

    Whoever waits for an event and is aborted is counted as well.
    """

    async def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]:
        script = self._scripts[expert]
        if not isinstance(script, tuple):
            async for chunk in super().__call__(expert, request):
                yield chunk
            return
        self.asked.append((expert, request))
        for piece in script:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, ExpertError):
                raise piece
            else:
                yield piece if isinstance(piece, Chunk) else Chunk(piece)


def lost(expert: str) -> ExpertLost:
    return ExpertLost(f"{expert} is lost.", expert=expert)


def refused(expert: str, status: int) -> ExpertRefused:
    return ExpertRefused(f"{expert} refuses.", expert=expert, status=status, body={})


def spent(expert: str) -> BudgetSpent:
    return BudgetSpent("The budget is spent.", expert=expert, budget="calls")


def calls(*experts: str) -> list[Call]:
    return [Call(expert, chat()) for expert in experts]


async def until(ask: ScriptedAsk, words: str) -> None:
    """Let others run until it was told, and some time longer."""
    while words not in ask.words:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


class TestAnswers:
    async def test_they_stand_in_the_order_of_the_calls(self) -> None:
        second_has_answered = asyncio.Event()

        def second(request: Request) -> str:
            second_has_answered.set()
            return "b"

        scripts: dict[str, Any] = {"one": (second_has_answered, "a"), "two": second, "three": "c"}
        said = await gather(calls("one", "two", "three", "two"), Pieces(scripts))
        assert [(one.call, one.expert, one.text) for one in said] == [
            (0, "one", "a"),
            (1, "two", "b"),
            (2, "three", "c"),
            (3, "two", "b"),
        ]

    async def test_who_fails_is_left_out_and_told(self) -> None:
        ask = ScriptedAsk({"one": lost("one"), "two": "Lima.", "three": refused("three", 400)})
        said = await gather(calls("one", "two", "three"), ask)
        assert [(one.call, one.text) for one in said] == [(1, "Lima.")]
        assert sorted(ask.facts["failed"]) == ["one is lost.", "three refuses."]
        assert "2 of 3 failed" in ask.words

    @pytest.mark.parametrize("nothing", ["", " \n\t ", "<think>Lima</think> ", "<think>Lima, for"])
    async def test_who_says_nothing_has_failed(self, nothing: str) -> None:
        ask = ScriptedAsk({"one": nothing, "two": "Lima."})
        assert [one.expert for one in await gather(calls("one", "two"), ask)] == ["two"]
        assert ask.facts["failed"] == ["one said nothing."]

    async def test_reasoning_is_left_out(self) -> None:
        ask = ScriptedAsk({"one": "<think>Cusco? No.</think>\nLima."})
        (said,) = await gather(calls("one"), ask)
        assert said.text == "Lima."
        assert said.completion.text.startswith("<think>")

    async def test_half_a_surrogate_is_replaced(self) -> None:
        ask = ScriptedAsk({"one": Chunk("Lima \ud83d!", "stop")})
        (said,) = await gather(calls("one"), ask)
        assert said.text == "Lima ?!"

    async def test_of_no_calls_there_are_none(self) -> None:
        assert await gather([], ScriptedAsk({})) == []


class TestNobody:
    async def test_every_reason_is_named(self) -> None:
        ask = ScriptedAsk(
            {"one": lost("one"), "two": ExpertLost("gone", expert="two"), "three": ""}
        )
        with pytest.raises(NobodyAnswered) as raised:
            await gather(calls("one", "two", "three"), ask)
        for reason in ("one is lost.", "two: gone", "three said nothing."):
            assert raised.value.message.count(reason) == 1

    async def test_reasons_stand_in_the_order_of_the_calls(self) -> None:
        names = [f"expert{number}" for number in range(12)]
        ask = ScriptedAsk({name: lost(name) for name in names})
        with pytest.raises(NobodyAnswered) as raised:
            await gather(calls(*names), ask)
        reasons = [f"{name} is lost." for name in names]
        assert raised.value.message == " ".join(["No expert answered.", *reasons])
        assert raised.value.expert == "expert0"
        assert ask.facts["failed"] == reasons

    async def test_a_request_that_all_refuse_is_the_callers_mistake(self) -> None:
        ask = ScriptedAsk({"one": refused("one", 400), "two": refused("two", 422)})
        with pytest.raises(ExpertRefused) as raised:
            await gather(calls("one", "two"), ask)
        assert raised.value.status in (400, 422)

    @pytest.mark.parametrize("other", [lost("two"), refused("two", 503)])
    async def test_a_refusal_beside_another_failure_is_not(self, other: ExpertError) -> None:
        ask = ScriptedAsk({"one": refused("one", 400), "two": other})
        with pytest.raises(NobodyAnswered, match=r"one refuses.*two|two.*one refuses"):
            await gather(calls("one", "two"), ask)

    async def test_a_budget_that_stops_all_is_named_as_such(self) -> None:
        ask = ScriptedAsk({"one": spent("one"), "two": spent("two")})
        with pytest.raises(BudgetSpent):
            await gather(calls("one", "two"), ask)

    def test_a_budget_that_stops_one_is_one_reason_of_many(self) -> None:
        raised = all_failed_error([spent("one"), lost("two")])
        assert isinstance(raised, NobodyAnswered)
        assert "one: The budget is spent. two is lost." in raised.message


class TestWaiting:
    async def test_after_the_deadline_nobody_is_waited_for(self) -> None:
        ask = ScriptedAsk({"one": None, "two": "Lima.", "three": None}, deadline_s=0)
        said = await gather(calls("one", "two", "three"), ask)
        assert [one.expert for one in said] == ["two"]
        assert ask.aborted == {"one": 1, "three": 1}
        assert ask.facts["late"] == ["one", "three"]

    async def test_below_the_quorum_the_deadline_does_not_count(self) -> None:
        go_on = asyncio.Event()
        scripts: dict[str, Any] = {"one": "Lima.", "two": (go_on, "Cusco."), "three": None}
        ask = Pieces(scripts, quorum=2, deadline_s=0)
        asking = asyncio.create_task(gather(calls("one", "two", "three"), ask))
        await until(ask, "1 of 3 answered")
        assert not asking.done()
        go_on.set()
        assert [one.expert for one in await asking] == ["one", "two"]
        assert ask.aborted == {"three": 1}

    async def test_failures_are_no_part_of_the_quorum(self) -> None:
        go_on = asyncio.Event()
        scripts: dict[str, Any] = {"one": lost("one"), "two": (go_on, "Lima.")}
        ask = Pieces(scripts, deadline_s=0)
        asking = asyncio.create_task(gather(calls("one", "two"), ask))
        await until(ask, "0 of 2 answered")
        assert not asking.done()
        go_on.set()
        assert [one.expert for one in await asking] == ["two"]

    async def test_what_is_not_needed_any_more_is_aborted(self) -> None:
        seen: list[tuple[list[str], int]] = []

        def enough(said: Sequence[Answer], waiting: int) -> bool:
            seen.append(([one.text for one in said], waiting))
            return True

        ask = ScriptedAsk({"one": None, "two": "Lima."})
        said = await gather(calls("one", "two"), ask, enough)
        assert [one.call for one in said] == [1]
        assert ask.aborted == {"one": 1}
        assert seen == [(["Lima."], 1)]

    async def test_a_mistake_of_our_own_is_raised_and_aborts_the_others(self) -> None:
        def broken(request: Request) -> str:
            raise ZeroDivisionError

        ask = ScriptedAsk({"one": None, "two": broken, "three": None})
        with pytest.raises(ZeroDivisionError):
            await gather(calls("one", "two", "three"), ask)
        assert ask.aborted == {"one": 1, "three": 1}

    async def test_who_is_cancelled_aborts_all_calls(self) -> None:
        ask = ScriptedAsk({"one": None, "two": "Lima.", "three": None})
        asking = asyncio.create_task(gather(calls("one", "two", "three", "one"), ask))
        await until(ask, "1 of 4 answered")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert ask.aborted == {"one": 2, "three": 1}


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
            async def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]:
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
