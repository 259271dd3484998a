"""Grades through a function that asks: verdicts, nonsense, and calls that fail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from evals.scoring.grading import grade
from evals.scoring.judge import Graded, judge_options
from experts.errors import ExpertLost, ServiceError

OPTIONS = judge_options({"expert": "strict", "best": 4})


@dataclass
class Sample:
    id: str
    answer: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def answers(*texts: str) -> list[Graded]:
    return [Graded(Sample(f"q-{n}"), "Why?", text) for n, text in enumerate(texts)]


class Judge:
    """Replies by rule to the last message, and remembers whom it was asked as, and what."""

    def __init__(self, reply: Callable[[str], str]) -> None:
        self.reply = reply
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, expert: str, body: dict[str, Any]) -> str:
        self.asked.append((expert, body))
        return self.reply(body["messages"][-1]["content"])


async def test_every_answer_has_its_own_grade() -> None:
    judge = Judge(lambda text: f"Hm.\nVERDICT: {4 if 'good' in text else 1}")
    found = await grade(judge, OPTIONS, answers("good", "bad", "good"))
    assert [one.score for one in found] == [1, 0.25, 1]
    assert [expert for expert, _ in judge.asked] == ["strict"] * 3


async def test_nonsense_is_asked_again_once_in_the_same_conversation() -> None:
    judge = Judge(lambda text: "VERDICT: 3" if "could not read" in text else "Well, well.")
    [found] = await grade(judge, OPTIONS, answers("good"))
    assert found.score == 0.75
    (_, first), (_, second) = judge.asked
    assert second["messages"][:1] == first["messages"]
    assert second["messages"][1] == {"role": "assistant", "content": "Well, well."}


async def test_nonsense_twice_is_reported_and_not_guessed() -> None:
    judge = Judge(lambda text: "I like\nturtles.")
    [found] = await grade(judge, OPTIONS, answers("good"))
    assert found.score is None
    assert "no verdict on the sample q-0" in found.problem
    assert "'I like turtles.'" in found.problem
    assert len(judge.asked) == 2


async def test_a_call_that_fails_costs_one_grade() -> None:
    def reply(text: str) -> str:
        if "bad" in text:
            raise ExpertLost("It\nis gone.", expert="strict")
        return "VERDICT: 4"

    lost, found = await grade(Judge(reply), OPTIONS, answers("bad", "good"))
    assert (lost.score, found.score) == (None, 1)
    assert "strict failed on the sample q-0: It is gone." in lost.problem


async def test_what_is_no_fault_of_one_call_ends_the_others() -> None:
    ended = asyncio.Event()

    async def ask(expert: str, body: dict[str, Any]) -> str:
        if "bad" in body["messages"][0]["content"]:
            raise ServiceError("the disk is full")
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    with pytest.raises(ServiceError, match="disk"):
        await grade(ask, OPTIONS, answers("good", "bad"))
    assert ended.is_set()
