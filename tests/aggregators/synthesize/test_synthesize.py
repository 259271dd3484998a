"""Synthesis over scripted experts: what is asked, what is fenced, what happens when one fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ask import QUESTION, ScriptedAsk, said
from scripted_ask import chat as request

from aggregators.base import Panel, with_question
from aggregators.registry import build, check
from aggregators.synthesize.synthesize import Synthesize, SynthesizeConfig
from experts.errors import BudgetSpent, ConfigError, ExpertError, ExpertLost, NobodyAnswered
from experts.types import Chunk, Request

EXPERTS = ("one", "two", "three", "chief")


async def synthesized(ask: ScriptedAsk, panel: Panel, **keys: object) -> str:
    return await said({"type": "synthesize", "shuffle_seed": None, **keys}, panel, ask)


async def test_who_leads_sees_the_question_and_all_answers() -> None:
    ask = ScriptedAsk({"one": "Lima.", "two": "Cusco.", "three": "Lima?", "chief": "It is Lima."})
    assert await synthesized(ask, Panel(EXPERTS[:3], "chief")) == "It is Lima."
    expert, prompt = ask.experts[-1], ask.questions[-1]
    assert expert == "chief"
    assert QUESTION in prompt
    places = [prompt.index(answer) for answer in ("Lima.", "Cusco.", "Lima?")]
    assert places == sorted(places)


async def test_the_first_leads_where_nobody_is_named() -> None:
    ask = ScriptedAsk({"one": "Lima.", "two": "Cusco."})
    await synthesized(ask, Panel(("one", "two")))
    assert ask.experts[-1] == "one"


async def test_the_configured_expert_leads_before_the_routers() -> None:
    ask = ScriptedAsk({"one": "Lima.", "two": "Cusco.", "chief": "Lima", "three": "no"})
    await synthesized(ask, Panel(("one", "two"), "three"), expert="chief")
    assert ask.experts[-1] == "chief"


async def test_equal_answers_need_no_synthesis() -> None:
    ask = ScriptedAsk({"one": "Lima."})
    assert await synthesized(ask, Panel(("one", "one", "one"), "chief")) == "Lima."
    assert ask.experts == ["one"] * 3


async def test_thoughts_are_nobodys_answer() -> None:
    ask = ScriptedAsk({"one": "<think>Cusco? No.</think> Lima.", "two": "Cusco.", "chief": "Lima."})
    await synthesized(ask, Panel(("one", "two"), "chief"))
    assert "No." not in ask.questions[-1]


async def test_who_fails_is_left_out() -> None:
    ask = ScriptedAsk(
        {
            "one": ExpertLost("one is lost.", expert="one"),
            "two": "Lima.",
            "three": "Cusco.",
            "chief": "Lima!",
        }
    )
    assert await synthesized(ask, Panel(EXPERTS[:3], "chief")) == "Lima!"


async def test_a_lead_that_fails_leaves_the_first_answer() -> None:
    ask = ScriptedAsk(
        {"one": "Lima.", "two": "Cusco.", "chief": ExpertLost("gone", expert="chief")}
    )
    assert await synthesized(ask, Panel(("one", "two"), "chief")) == "Lima."


async def test_nobody_answers() -> None:
    with pytest.raises(NobodyAnswered, match=r"one is lost\. two is lost\."):
        await synthesized(
            ScriptedAsk(
                {
                    "one": ExpertLost("one is lost.", expert="one"),
                    "two": ExpertLost("two is lost.", expert="two"),
                }
            ),
            Panel(("one", "two"), "chief"),
        )


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


class TestLayers:
    async def test_the_next_layer_sees_all_answers_of_the_last(self) -> None:
        ask = ScriptedAsk(
            {"one": ["Lima.", "Lima, I think."], "two": ["Cusco.", "Lima, then."], "chief": "Lima"}
        )
        assert await synthesized(ask, Panel(("one", "two"), "chief"), layers=2) == "Lima"
        assert ask.experts == ["one", "two", "one", "two", "chief"]
        for prompt in ask.questions[2:4]:
            assert prompt.index("Lima.") < prompt.index("Cusco.") < prompt.index(QUESTION)
        assert "Lima, I think." in ask.questions[4]
        assert "Lima, then." in ask.questions[4]
        assert "Cusco." not in ask.questions[4]

    async def test_a_layer_in_which_all_agree_is_the_last(self) -> None:
        ask = ScriptedAsk({"one": ["Lima.", "lima"], "two": ["Cusco.", "Lima"]})
        assert await synthesized(ask, Panel(("one", "two"), "chief"), layers=8) == "lima"
        assert ask.experts == ["one", "two", "one", "two"]

    async def test_a_layer_that_fails_altogether_leaves_the_last(self) -> None:
        error = ExpertLost("lost", expert="one")
        ask = ScriptedAsk({"one": ["Lima.", error], "two": ["Cusco.", error], "chief": "Lima"})
        assert await synthesized(ask, Panel(("one", "two"), "chief"), layers=2) == "Lima"
        assert "Cusco." in ask.questions[-1]

    async def test_samples_of_one_expert_are_put_together(self) -> None:
        ask = ScriptedAsk({"one": ["Lima.", "Cusco.", "Quito.", "It is Lima."]})
        assert await synthesized(ask, Panel(("one",)), samples=3) == "It is Lima."
        bodies = [asked.body for _, asked in ask.asked]
        assert [(body.get("temperature"), body.get("seed")) for body in bodies] == [
            (0.7, 0),
            (0.7, 1),
            (0.7, 2),
            (None, None),
        ]
        assert all(answer in ask.questions[-1] for answer in ("Lima.", "Cusco.", "Quito."))


def picks(answer: str) -> Callable[[Request], str]:
    """A lead that names the number under which it sees an answer."""

    def lead(asked: Request) -> str:
        found = re.search(rf"Answer (\d+):\n`+\n{re.escape(answer)}\n", asked.query)
        assert found
        return found[1]

    return lead


class TestPicking:
    @pytest.mark.parametrize("seed", [None, *range(6)])
    @pytest.mark.parametrize("answer", ["Lima.", "Cusco.", "Quito."])
    async def test_the_number_is_that_of_the_order_shown(
        self, answer: str, seed: int | None
    ) -> None:
        scripts = {"one": "Lima.", "two": "Cusco.", "three": "Quito."}
        ask = ScriptedAsk({**scripts, "chief": picks(answer)})
        panel = Panel(EXPERTS[:3], "chief")
        assert await synthesized(ask, panel, method="pick", shuffle_seed=seed) == answer

    @pytest.mark.parametrize(
        "reply", ["2", " **2**.", "Answer 2", "<think>1 or 3? No.</think>2", "2, not 1."]
    )
    async def test_a_number_is_found(self, reply: str) -> None:
        ask = ScriptedAsk({"one": "Lima.", "two": "Cusco.", "three": "Quito.", "chief": reply})
        assert await synthesized(ask, Panel(EXPERTS[:3], "chief"), method="pick") == "Cusco."

    @pytest.mark.parametrize(
        "reply", ["0", "4", "1000000000002", "20", "none", "", ExpertLost("lost", expert="chief")]
    )
    async def test_where_none_is_picked_the_first_answer_stands(
        self, reply: str | ExpertError
    ) -> None:
        ask = ScriptedAsk({"one": "Lima.", "two": "Cusco.", "three": "Quito.", "chief": reply})
        assert await synthesized(ask, Panel(EXPERTS[:3], "chief"), method="pick") == "Lima."

    async def test_the_lead_may_write_what_most_agree_on(self) -> None:
        ask = ScriptedAsk({"one": "Lima.", "two": "Cusco.", "chief": "It is Lima."})
        panel = Panel(("one", "two"), "chief")
        assert await synthesized(ask, panel, method="agree") == "It is Lima."
        assert "most of them agree" in ask.questions[-1]
        assert "Cusco." in ask.questions[-1]


class TestShowing:
    @pytest.mark.parametrize("long", ["word " * 20_000, Chunk("w" * 100_000, "stop")])
    async def test_long_answers_are_cut_and_short_ones_are_not(self, long: str | Chunk) -> None:
        ask = ScriptedAsk({"one": "It is Lima.", "two": long, "three": long, "chief": "Lima."})
        await synthesized(ask, Panel(EXPERTS[:3], "chief"), answer_tokens=1000)
        prompt = ask.questions[-1]
        assert "\nIt is Lima.\n" in prompt
        blocks = re.findall(r"^w.*w\w* \[\.\.\.\]$", prompt, re.MULTILINE)
        assert len(blocks) == 2
        assert abs(len(blocks[0]) - len(blocks[1])) < 10
        assert 3000 < len(prompt) < 6000

    async def test_what_was_cut_off_is_marked(self) -> None:
        ask = ScriptedAsk({"one": Chunk("Lima, si", "length"), "two": "Cusco.", "chief": "Lima."})
        await synthesized(ask, Panel(("one", "two"), "chief"))
        assert "\nLima, si [...]\n" in ask.questions[-1]

    async def test_the_same_question_has_the_same_order(self) -> None:
        async def shown(seed: int) -> str:
            scripts = {"one": "Lima.", "two": "Cusco.", "three": "Quito.", "chief": "Lima."}
            ask = ScriptedAsk(scripts)
            await synthesized(ask, Panel(EXPERTS[:3], "chief"), shuffle_seed=seed)
            return ask.questions[-1]

        first = [await shown(seed) for seed in range(8)]
        assert first == [await shown(seed) for seed in range(8)]
        assert len(set(first)) > 1


class Breaking(ScriptedAsk):
    """A lead that says something, then raises its error."""

    def __init__(self, error: ExpertError) -> None:
        super().__init__({"one": "Lima.", "two": "Cusco."})
        self.error = error

    async def __call__(
        self, expert: str, asked: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        if expert == "chief":
            yield Chunk("It is")
            raise self.error
        async for chunk in super().__call__(expert, asked):
            yield chunk


class TestBreakingOff:
    async def test_a_lead_that_breaks_off_is_an_error(self) -> None:
        with pytest.raises(ExpertLost):
            await synthesized(
                Breaking(ExpertLost("gone", expert="chief")), Panel(("one", "two"), "chief")
            )

    async def test_a_budget_that_ends_midway_ends_the_answer(self) -> None:
        ask = Breaking(BudgetSpent("spent", expert="chief", budget="tokens"))
        assert await synthesized(ask, Panel(("one", "two"), "chief")) == "It is"


def test_another_question_keeps_the_conversation() -> None:
    changed = with_question(request(), "Other?").body
    assert [message["content"] for message in changed["messages"]] == [
        "Be short.",
        "Hello",
        "Hello.",
        "Other?",
    ]
    assert request().body["messages"][-1]["content"] == QUESTION
    assert with_question(Request("r", "completions", {"prompt": "a"}), "b").body == {"prompt": "b"}


class TestKeys:
    def test_prompts_come_from_files(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_text("Q {question}\n{answers}\nBest:\n")
        keys = {"type": "synthesize", "prompt": str(path), "candidate": "{number}. {answer}"}
        made = build("aggregators.s", keys, EXPERTS)
        assert isinstance(made, Synthesize)
        assert made.prompt("what", ["a", "b"]) == "Q what\n1. a\n2. b\nBest:"

    def test_a_prompt_must_have_its_fields(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_text("Q {question}")
        with pytest.raises(ConfigError, match=r"lacks \{answers\}"):
            build("aggregators.s", {"type": "synthesize", "prompt": str(path)}, EXPERTS)
        with pytest.raises(ConfigError, match="cannot be read"):
            build(
                "aggregators.s", {"type": "synthesize", "prompt": str(tmp_path / "no.txt")}, EXPERTS
            )

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({}, "aggregators.s.type: this key is required"),
            ({"type": "blend"}, "there is no type `blend`"),
            ({"type": "synthesize", "expert": "nobody"}, "no expert is called `nobody`"),
            ({"type": "synthesize", "candidate": "{number}"}, "the field {answer} is missing"),
            ({"type": "synthesize", "experts": 2}, "aggregators.s.experts: unknown key"),
        ],
    )
    def test_mistakes_are_named(self, keys: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check("aggregators.s", keys, EXPERTS)
