"""The `Ask` of one row: its order, its budget, its chain of seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.gather import Answer, Call, gather
from evals.runs.asking.asker import Asker, Retries
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.line import Line
from evals.runs.asking.wire import Reply
from evals.runs.subjects.calls import RowCalls, read
from experts.errors import BadOutput, BudgetSpent, ExpertLost
from experts.types import Request
from orchestrator.config.budget import BudgetConfig

NAMES = ("a", "b", "c", "d")


def question(text: str = "q", **body: Any) -> Request:
    messages = [{"role": "user", "content": text}]
    return Request(text, "chat/completions", {"messages": messages, "temperature": 0, **body})


class Slow:
    """Each expert takes as many turns of the loop as it is told, and says its own name."""

    def __init__(self, turns: dict[str, int]) -> None:
        self.turns = turns
        self.sent: list[str] = []

    async def __call__(self, expert: str, request: Request) -> Reply:
        self.sent.append(expert)
        for _ in range(self.turns.get(expert, 0)):
            await asyncio.sleep(0)
        if expert == "dead":
            raise ExpertLost("gone", expert=expert)
        message = {"content": f"{expert}{len(self.sent)}"}
        usage = {"prompt_tokens": 2, "completion_tokens": 3}
        choice = {"message": message, "finish_reason": "stop"}
        return Reply({"choices": [choice], "usage": usage}, float(self.turns.get(expert, 1)))


def calls(folder: Path, post: Slow, **budget: Any) -> RowCalls:
    cache = AnswerCache(folder / "a.sqlite")
    versions = {name: name for name in (*NAMES, "dead")}
    asker = Asker(post, cache, Line({}, 1, 8), versions, "r", lambda: 0.0, Retries(0, 0.0))
    return RowCalls(asker, {}, budget=BudgetConfig(**budget))


@settings(max_examples=25, deadline=None)
@given(st.permutations(list(range(0, 40, 10))), st.integers(1, 4))
async def test_an_early_end_is_the_same_whoever_is_fast(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], needed: int
) -> None:
    """Stopping after some answers takes the first ones asked, not the first ones there."""
    folder = tmp_path_factory.mktemp("calls")
    for _ in range(2):  # The second time, all is in the cache.
        own = calls(folder, Slow(dict(zip(NAMES, turns, strict=True))))

        def enough(answers: Any, waiting: int) -> bool:
            return len(answers) >= needed

        found: list[Answer] = await gather([Call(n, question()) for n in NAMES], own, enough)
        assert [one.expert for one in found] == list(NAMES[:needed])
        assert list(own.spent.calls) == list(NAMES[:needed])
        # They were asked side by side: the chain is as long as the slowest of them.
        assert own.spent.seconds == max(turns[:needed])


async def test_calls_one_after_the_other_are_a_chain(tmp_path: Path) -> None:
    own = calls(tmp_path, Slow({"a": 2, "b": 5}))
    for expert in ("a", "b"):
        await own.once(expert, question())
    assert own.spent.seconds == 7
    assert own.spent.tokens["a"].model_dump() == {"prompt": 2, "completion": 3}
    assert [one.expert for one in own.said] == ["a", "b"]


async def test_a_failure_keeps_its_place(tmp_path: Path) -> None:
    own = calls(tmp_path, Slow({"a": 20, "dead": 0, "b": 1}))
    found = await gather([Call(n, question()) for n in ("a", "dead", "b")], own)
    assert [one.expert for one in found] == ["a", "b"]
    assert dict(own.spent.calls) == {"a": 1, "b": 1}


async def test_the_budget_holds(tmp_path: Path) -> None:
    own = calls(tmp_path, Slow({}), calls=1)
    assert [chunk.text async for chunk in own("a", question())] == ["a1"]
    with pytest.raises(BudgetSpent, match="1 calls"):
        _ = [chunk async for chunk in own("b", question())]
    bounded = calls(tmp_path, Slow({}), tokens=3)
    _ = [chunk async for chunk in bounded("c", question())]
    with pytest.raises(BudgetSpent, match="3 tokens"):
        _ = [chunk async for chunk in bounded("d", question())]


async def test_samples_without_a_seed_are_calls_of_their_own(tmp_path: Path) -> None:
    post = Slow({})
    for repeat in range(2):
        own = calls(tmp_path, post)
        drawn = [(await own.once("a", question(temperature=1))).text for _ in range(3)]
        greedy = [(await own.once("b", question())).text for _ in range(3)]
        assert (len(set(drawn)), len(set(greedy))) == (3, 1)
        assert len(post.sent) == 4, repeat


def test_facts_of_lists_grow(tmp_path: Path) -> None:
    own = RowCalls.__new__(RowCalls)
    own.facts = {}
    own.tell("one", steps=[1], votes={"x": 1})
    own.tell("two", steps=[2], votes={"y": 1})
    assert own.facts == {"steps": [1, 2], "votes": {"y": 1}}


@pytest.mark.parametrize("response", [{"choices": [{"message": 3}]}, {"choices": ["x"]}])
def test_what_is_no_answer_is_told(response: dict[str, Any]) -> None:
    with pytest.raises(BadOutput):
        read("a", response)
