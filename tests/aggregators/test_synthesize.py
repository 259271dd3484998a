"""Synthesis over scripted experts: what is asked, what is fenced, what happens when one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregators.base import Panel, asking
from aggregators.registry import build, check
from aggregators.synthesize.synthesize import Synthesize, SynthesizeConfig
from experts.errors import ConfigError, ExpertLost
from experts.types import Chunk, Request

EXPERTS = ("one", "two", "three", "chief")
QUESTION = "What is the capital of Peru?"


class Scripted:
    """Experts that say what they were told to; None fails. Remembers what they were asked."""

    def __init__(self, answers: Mapping[str, str | None]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]:
        self.asked.append((expert, request.query))
        answer = self._answers[expert]
        if answer is None:
            raise ExpertLost(f"{expert} is lost.", expert=expert)
        for word in answer.split(" "):
            yield Chunk(f"{word} ")
        yield Chunk("", "stop")


def request(question: str = QUESTION) -> Request:
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": question},
    ]
    return Request("r1", "chat/completions", {"messages": messages, "max_tokens": 8})


async def said(ask: Scripted, panel: Panel, **keys: str) -> str:
    made = Synthesize(SynthesizeConfig.model_validate({"type": "synthesize", **keys}))
    return "".join([chunk.text async for chunk in made.aggregate(request(), panel, ask)]).strip()


async def test_who_leads_sees_the_question_and_all_answers() -> None:
    ask = Scripted({"one": "Lima.", "two": "Cusco.", "three": "Lima?", "chief": "It is Lima."})
    assert await said(ask, Panel(EXPERTS[:3], "chief")) == "It is Lima."
    expert, prompt = ask.asked[-1]
    assert expert == "chief"
    assert QUESTION in prompt
    places = [prompt.index(answer) for answer in ("Lima.", "Cusco.", "Lima?")]
    assert places == sorted(places)


async def test_the_first_leads_where_nobody_is_named() -> None:
    ask = Scripted({"one": "Lima.", "two": "Cusco."})
    await said(ask, Panel(("one", "two")))
    assert ask.asked[-1][0] == "one"


async def test_the_configured_expert_leads_before_the_routers() -> None:
    ask = Scripted({"one": "Lima.", "two": "Cusco.", "chief": "Lima", "three": "no"})
    await said(ask, Panel(("one", "two"), "three"), expert="chief")
    assert ask.asked[-1][0] == "chief"


async def test_equal_answers_need_no_synthesis() -> None:
    ask = Scripted({"one": "Lima."})
    assert await said(ask, Panel(("one", "one", "one"), "chief")) == "Lima."
    assert [expert for expert, _ in ask.asked] == ["one"] * 3


async def test_thoughts_are_nobodys_answer() -> None:
    ask = Scripted({"one": "<think>Cusco? No.</think> Lima.", "two": "Cusco.", "chief": "Lima."})
    await said(ask, Panel(("one", "two"), "chief"))
    assert "No." not in ask.asked[-1][1]


async def test_who_fails_is_left_out() -> None:
    ask = Scripted({"one": None, "two": "Lima.", "three": "Cusco.", "chief": "Lima!"})
    assert await said(ask, Panel(EXPERTS[:3], "chief")) == "Lima!"


async def test_a_lead_that_fails_leaves_the_first_answer() -> None:
    ask = Scripted({"one": "Lima.", "two": "Cusco.", "chief": None})
    assert await said(ask, Panel(("one", "two"), "chief")) == "Lima."


async def test_nobody_answers() -> None:
    with pytest.raises(ExpertLost, match="one is lost"):
        await said(Scripted({"one": None, "two": None}), Panel(("one", "two"), "chief"))


@given(st.text(alphabet="`~\n {}ax", max_size=40))
def test_no_answer_can_leave_its_fence(hostile: str) -> None:
    made = Synthesize(SynthesizeConfig(type="synthesize"))
    prompt = made.prompt("{answers}", [hostile, "{question} {fence}"])
    lines = prompt.splitlines()
    fences = [
        line for line in lines if set(line) == {"`"} and f"\n{line}\n" not in f"\n{hostile}\n"
    ]
    assert len(fences) == 4
    assert "{question} {fence}" in prompt
    assert lines[-1] == "{answers}"


def test_another_question_keeps_the_conversation() -> None:
    changed = asking(request(), "Other?").body
    assert [message["content"] for message in changed["messages"]] == [
        "Be short.",
        "Hello",
        "Hello.",
        "Other?",
    ]
    assert request().body["messages"][-1]["content"] == QUESTION
    assert asking(Request("r", "completions", {"prompt": "a"}), "b").body == {"prompt": "b"}


class TestKeys:
    def test_prompts_come_from_files(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_text("Q {question}\n{answers}\nBest:\n")
        keys = {"type": "synthesize", "prompt": str(path), "candidate": "{number}. {answer}"}
        made = build("s", keys, EXPERTS)
        assert isinstance(made, Synthesize)
        assert made.prompt("what", ["a", "b"]) == "Q what\n1. a\n2. b\nBest:"

    def test_a_prompt_must_have_its_fields(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_text("Q {question}")
        with pytest.raises(ConfigError, match=r"lacks \{answers\}"):
            build("s", {"type": "synthesize", "prompt": str(path)}, EXPERTS)
        with pytest.raises(ConfigError, match="can not be read"):
            build("s", {"type": "synthesize", "prompt": str(tmp_path / "no.txt")}, EXPERTS)

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({}, "aggregators.s.type: the key is missing"),
            ({"type": "blend"}, "there is no type `blend`"),
            ({"type": "synthesize", "expert": "nobody"}, "no expert is called `nobody`"),
            ({"type": "synthesize", "candidate": "{number}"}, "the field {answer} is missing"),
            ({"type": "synthesize", "experts": 2}, "aggregators.s.experts: unknown key"),
        ],
    )
    def test_mistakes_are_named(self, keys: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check("s", keys, EXPERTS)
