"""Many calls at once: who is waited for, and who is aborted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from scripted_ask import ScriptedAsk
from scripted_pieces import Pieces, calls, lost, refused

from aggregators.gather import Answer, gather
from experts.errors import NobodyAnswered
from experts.types import Chunk, Request


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

    @pytest.mark.parametrize(
        ("nothing", "words"),
        [
            ("", "one said nothing."),
            (" \n\t ", "one said nothing."),
            ("<think>Lima</think> ", "one only reasoned."),
            ("<think>Lima, for", "one only reasoned."),
            (Chunk("", "length"), "one said nothing, and was cut off at its bound of tokens."),
        ],
    )
    async def test_who_says_nothing_has_failed(self, nothing: Any, words: str) -> None:
        ask = ScriptedAsk({"one": nothing, "two": "Lima."})
        assert [one.expert for one in await gather(calls("one", "two"), ask)] == ["two"]
        assert ask.facts["failed"] == [words]

    async def test_where_all_say_nothing_nobody_has_answered(self) -> None:
        ask = ScriptedAsk({"one": "", "two": "<think>Lima"})
        with pytest.raises(NobodyAnswered, match=r"one said nothing\. two only reasoned\."):
            await gather(calls("one", "two"), ask)

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
