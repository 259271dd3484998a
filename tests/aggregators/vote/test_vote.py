"""Votes: whose answer wins, what each vote weighs, how few are asked, and what a failure does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from scripted_ask import QUESTION, ScriptedAsk, chat, said

from aggregators.base import Panel, most_calls
from aggregators.registry import build, make
from aggregators.vote.vote import Vote
from experts.errors import ConfigError, ExpertLost, ExpertRefused, NobodyAnswered
from experts.types import Chunk, Request

TWO, THREE = ("one", "two"), ("one", "two", "three")


async def voted(
    ask: ScriptedAsk, panel: Panel, request: Request | None = None, **keys: object
) -> str:
    """The answer of a vote in which all are heard, unless the keys say otherwise."""
    return await said({"type": "vote", "stop_at": None, **keys}, panel, ask, request)


def lost(expert: str) -> ExpertLost:
    return ExpertLost(f"{expert} is lost.", expert=expert)


def stated(answer: object, confidence: object) -> str:
    return json.dumps({"reasoning": "r", "answer": answer, "confidence": confidence})


class TestCounting:
    async def test_most_win(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": "Lima", "three": "  LIMA. "})
        assert await voted(ask, Panel(THREE)) == "Lima"
        assert ask.facts["votes"] == {"lima": 2.0, "cusco": 1.0}

    async def test_the_first_expert_wins_a_tie(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": "Lima.", "three": "Lima.", "four": "Cusco."})
        assert await voted(ask, Panel(("one", "two", "three", "four"))) == "Cusco."

    async def test_one_expert_alone(self) -> None:
        ask = ScriptedAsk({"one": "Lima."})
        assert await voted(ask, Panel(("one",))) == "Lima."
        assert [request for _, request in ask.asked] == [chat()]

    @pytest.mark.parametrize(
        ("kind", "answers", "winner"),
        [
            ("number", ["It is 3.", "2 + 2 is 4", r"So \boxed{4.0}."], 1),
            ("number", ["1,000 of them", "3 or so", "The answer is $1000.00"], 0),
            ("choice", ["A", "The answer is (B).", "B) is wrong, so I choose **B**"], 1),
            ("choice", ["Answer: C", "A mouse is a mammal.", "none"], 0),
            ("literal", ["[1,2]", "The answer is [1, 2]", "(1, 2)"], 0),
            ("latex", [r"\boxed{2}", r"\boxed{\frac{1}{2}}", r"\boxed{0.5}"], 1),
            ("latex", [r"\boxed{3}", r"\boxed{(x+1)^2}", r"\boxed{x^2 + 2x + 1}"], 1),
            ("code", ["def f(): return 2", "def f():\n  return 1 # one", "def f(): return 1"], 1),
        ],
    )
    async def test_what_is_concluded_counts(
        self, kind: str, answers: list[str], winner: int
    ) -> None:
        ask = ScriptedAsk(dict(zip(THREE, answers, strict=True)))
        assert await voted(ask, Panel(THREE), answer=kind) == answers[winner]

    async def test_where_nothing_can_be_read_the_first_answer_stands(self) -> None:
        ask = ScriptedAsk({"one": "Many.", "two": "Few.", "three": "Few."})
        assert await voted(ask, Panel(THREE), answer="number") == "Many."
        assert "no answer could be read" in ask.words
        assert ask.facts["votes"] == {}

    async def test_who_can_not_be_read_has_no_vote(self) -> None:
        ask = ScriptedAsk({"one": "Many.", "two": "Few.", "three": "5"})
        assert await voted(ask, Panel(THREE), answer="number") == "5"

    async def test_a_whole_answer_speaks_for_those_cut_off(self) -> None:
        ask = ScriptedAsk(
            {"one": Chunk("The answer is 4, bec", "length"), "two": "4, at last.", "three": "5"}
        )
        assert await voted(ask, Panel(THREE), answer="number") == "4, at last."

    async def test_where_all_are_cut_off_so_is_the_answer(self) -> None:
        made = make({"type": "vote", "answer": "number"})
        ask = ScriptedAsk({"one": Chunk("4, bec", "length")})
        chunks = [chunk async for chunk in made.aggregate(chat(), Panel(("one",)), ask)]
        assert chunks == [Chunk("4, bec", "length")]


class TestTests:
    PROGRAMS = (
        "```python\nimport os\nos._exit(0)\n```",
        "Both fail:\n```python\ndef double(x):\n    return x\n```",
        "```python\ndef double(x):\n    return 2 * x\n```",
    )
    REQUEST = replace(chat(), tests=("assert double(2) == 4", "assert double(0) == 0"))

    async def test_programs_that_pass_most_tests_win(self) -> None:
        ask = ScriptedAsk(dict(zip(THREE, self.PROGRAMS, strict=True)))
        panel = Panel(("one", "two", "two", "three"))
        found = await voted(ask, panel, self.REQUEST, answer="code", run_tests=True)
        assert found == self.PROGRAMS[2]
        assert ask.facts["votes"] == {"passes 2 of 2 tests": 1.0}

    async def test_nobody_runs_them_unasked(self) -> None:
        ask = ScriptedAsk(dict(zip(THREE, self.PROGRAMS, strict=True)))
        panel = Panel(("one", "two", "two", "three"))
        assert await voted(ask, panel, self.REQUEST, answer="code") == self.PROGRAMS[1]


class TestWeights:
    async def test_a_likely_answer_weighs_more(self) -> None:
        ask = ScriptedAsk(
            {"one": "Cusco.", "two": "Cusco.", "three": "It is Lima."},
            sure={"one": 0.5, "two": 0.5, "three": 0.95},
        )
        assert await voted(ask, Panel(THREE), weights="confidence") == "It is Lima."
        assert ask.facts["votes"] == {"lima": 0.8, "cusco": 0.2}
        assert all(request.body["logprobs"] is True for _, request in ask.asked)

    async def test_without_probabilities_all_weigh_the_same(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": "Lima.", "three": "Lima."})
        assert await voted(ask, Panel(THREE), weights="confidence") == "Lima."

    async def test_a_stated_confidence_weighs(self) -> None:
        ask = ScriptedAsk(
            {
                "one": stated("Cusco", 0.5),
                "two": f"AnswerWithConfidence.\n```json\n{stated('Lima', '95%')}\n```",
                "three": stated("Cusco", "rather"),
            }
        )
        keys = {"weights": "confidence", "confidence": "stated"}
        assert await voted(ask, Panel(THREE), **keys) == "Lima"
        assert ask.facts["votes"] == {"lima": 0.8, "cusco": 0.2}
        assert all(QUESTION in text and '"confidence"' in text for text in ask.questions)

    async def test_who_states_nothing_has_a_light_vote(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": stated(4, 0.7), "three": "{Cusco"})
        keys = {"weights": "confidence", "confidence": "stated"}
        assert await voted(ask, Panel(THREE), **keys) == "4"
        assert ask.facts["votes"] == {"4": 0.3, "cusco": 0.2}

    async def test_the_router_weighs(self) -> None:
        scripts = {"one": "Cusco.", "two": "Cusco.", "three": "Lima."}
        scores = {"one": 0.5, "two": 0.5, "three": 0.95}
        assert await voted(ScriptedAsk(scripts), Panel(THREE, scores=scores), weights="router") == (
            "Lima."
        )
        assert await voted(ScriptedAsk(scripts), Panel(THREE, scores=scores)) == "Cusco."

    async def test_who_is_worse_than_chance_has_no_weight(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": "Cusco.", "three": "Lima."})
        panel = Panel(THREE, scores={"one": 0.05, "three": 0.2})
        assert await voted(ask, panel, weights="router") == "Lima."

    async def test_where_nobody_has_weight_the_first_answer_stands(self) -> None:
        ask = ScriptedAsk({"one": "Cusco.", "two": "Lima.", "three": "Lima."})
        assert await voted(ask, Panel(THREE), weights="router", stop_at=0.9) == "Cusco."


class TestSamples:
    async def test_one_expert_is_asked_several_times(self) -> None:
        ask = ScriptedAsk({"one": ["Cusco.", "Lima.", "Lima."]})
        assert await voted(ask, Panel(("one",)), samples=3) == "Lima."
        bodies = [request.body for _, request in ask.asked]
        assert [body["seed"] for body in bodies] == [0, 1, 2]
        assert [body["temperature"] for body in bodies] == [0.7] * 3

    async def test_the_requests_own_temperature_and_seed_count(self) -> None:
        ask = ScriptedAsk({"one": "Lima."})
        await voted(ask, Panel(("one",)), chat(temperature=0.2, seed=40), samples=2)
        bodies = [request.body for _, request in ask.asked]
        assert [(body["temperature"], body["seed"]) for body in bodies] == [(0.2, 40), (0.2, 41)]

    async def test_nobody_is_asked_twice_before_all_were_once(self) -> None:
        ask = ScriptedAsk({"one": "Lima.", "two": "Lima."})
        await voted(ask, Panel(("one", "two")), samples=2)
        assert ask.experts == ["one", "two", "one", "two"]


class Waiting(ScriptedAsk):
    """`slow` answers once `go_on` is set."""

    def __init__(self, slow: str, scripts: dict[str, Any]) -> None:
        super().__init__(scripts)
        self.slow = slow
        self.go_on = asyncio.Event()

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        if expert == self.slow:
            await self.go_on.wait()
        async for chunk in super().__call__(expert, request):
            yield chunk


async def voted_late(ask: Waiting, panel: Panel, told: str, **keys: object) -> str:
    """The answer of a vote whose slow expert answers once the others were heard."""
    voting = asyncio.create_task(said({"type": "vote", **keys}, panel, ask))
    while told not in ask.words:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    ask.go_on.set()
    return await voting


class TestStopping:
    async def test_no_more_are_asked_than_needed(self) -> None:
        ask = ScriptedAsk({"one": "Lima."})
        made = make({"type": "vote", "samples": 16})
        assert await said(made, Panel(("one",)), ask) == "Lima."
        assert ask.experts == ["one"] * 4
        assert ask.facts["spared"] == 12

    async def test_without_a_bound_all_are_asked(self) -> None:
        ask = ScriptedAsk({"one": "Lima."})
        await voted(ask, Panel(("one",)), samples=16)
        assert len(ask.asked) == 16

    async def test_while_it_is_open_more_are_asked(self) -> None:
        ask = ScriptedAsk({"one": ["Lima.", "Cusco.", "Lima.", "Cusco.", "Lima."]})
        await voted(ask, Panel(("one",)), samples=8, chunk=2, stop_at=0.95)
        assert len(ask.asked) > 4

    async def test_who_can_not_change_it_any_more_is_aborted(self) -> None:
        ask = ScriptedAsk({"one": "Lima.", "two": "Lima.", "three": None})
        assert await voted(ask, Panel(THREE), stop_at=1) == "Lima."
        assert ask.aborted == {"three": 1}

    async def test_the_first_expert_wins_a_tie_even_if_it_is_the_slowest(self) -> None:
        ask = Waiting("one", {"one": "Lima.", "two": "Cusco."})
        panel = Panel(("one", "two"))
        assert await voted_late(ask, panel, "1 of 2 answered") == "Lima."

    async def test_an_expert_that_outweighs_the_others_is_waited_for(self) -> None:
        ask = Waiting("one", {"one": "Lima.", "two": "Cusco.", "three": "Cusco."})
        panel = Panel(THREE, scores={"one": 0.95, "two": 0.5, "three": 0.5})
        found = await voted_late(ask, panel, "2 of 3 answered", weights="router", stop_at=1)
        assert found == "Lima."

    async def test_no_vote_on_tests_ends_early(self) -> None:
        ask = ScriptedAsk({"one": "x = 1"})
        keys = {"samples": 5, "answer": "code", "run_tests": True, "stop_at": 0.6}
        await voted(ask, Panel(("one",)), **keys)
        assert len(ask.asked) == 5


class TestFailures:
    async def test_who_fails_has_no_vote(self) -> None:
        ask = ScriptedAsk({"one": lost("one"), "two": "Lima.", "three": "Cusco."})
        assert await voted(ask, Panel(THREE)) == "Lima."

    async def test_a_chunk_that_fails_altogether_is_survived(self) -> None:
        ask = ScriptedAsk({"one": lost("one"), "two": "", "three": "Lima."})
        assert await voted(ask, Panel(THREE), chunk=2) == "Lima."

    async def test_nobody_answers_in_any_chunk(self) -> None:
        ask = ScriptedAsk(
            {"one": lost("one"), "two": ExpertLost("gone", expert="two"), "three": ""}
        )
        with pytest.raises(NobodyAnswered) as raised:
            await voted(ask, Panel(THREE), chunk=2)
        for words in ("No expert answered.", "one is lost.", "two: gone", "three said nothing."):
            assert raised.value.message.count(words) == 1

    async def test_what_all_refuse_is_refused(self) -> None:
        error = ExpertRefused("bad n", expert="one", status=400, body={})
        with pytest.raises(ExpertRefused):
            await voted(ScriptedAsk({"one": error}), Panel(("one",)), samples=5, chunk=2)


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({"samples": 0}, "aggregators.v.samples: "),
            ({"stop_at": 0.5}, "aggregators.v.stop_at: "),
            ({"chunk": 65}, "aggregators.v.chunk: "),
            ({"answer": "verse"}, "aggregators.v.answer: "),
            ({"prompt": "nowhere.txt"}, "cannot be read"),
        ],
    )
    def test_mistakes_are_named(self, keys: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            build("aggregators.v", {"type": "vote", **keys}, THREE)

    def test_a_vote_needs_no_keys(self) -> None:
        assert isinstance(build("aggregators.v", {"type": "vote"}, THREE), Vote)


class TestFreeText:
    WHY = "Why is the sky blue?"
    SCATTERS = "Air scatters the short wavelengths of sunlight much more than it scatters long ones"
    ALSO = "Because molecules in the atmosphere scatter light of short wavelength most strongly"
    OCEAN = "The water of the seas below is reflected by the clouds and by everything up there"
    VECTORS: Mapping[str, Sequence[float]] = {
        SCATTERS: (1.0, 0.0),
        ALSO: (0.95, 0.312),
        OCEAN: (0.0, 1.0),
    }

    async def test_sentences_with_the_same_answer_are_one_vote_each(self) -> None:
        ask = ScriptedAsk({"one": "Cusco", "two": "It's Lima.", "three": "The capital is Lima."})
        assert await voted(ask, Panel(THREE), stop_at=None) == "It's Lima."
        assert ask.facts["votes"] == {"lima": 2.0, "cusco": 1.0}
        assert ask.facts["grouping"] == "read"

    async def test_longer_texts_are_grouped_by_the_encoder(self) -> None:
        scripts = {"one": self.OCEAN, "two": self.SCATTERS, "three": self.ALSO}
        ask = ScriptedAsk(scripts, vectors=self.VECTORS)
        assert await said({"type": "vote"}, Panel(THREE), ask, chat(self.WHY)) == self.SCATTERS
        assert ask.facts["grouping"] == "meaning"

    async def test_where_nothing_can_be_grouped_it_says_so(self) -> None:
        scripts = {"one": self.OCEAN, "two": self.SCATTERS}
        ask = ScriptedAsk(scripts, vectors=self.VECTORS)
        assert await said({"type": "vote"}, Panel(TWO), ask, chat(self.WHY)) == self.OCEAN
        assert ask.facts["grouping"] == "none"
        assert "votes" not in ask.facts
        assert "cannot be compared" in ask.words[-1]

    async def test_there_a_judge_decides(self) -> None:
        def judge(request: Request) -> str:
            return "A" if "Answer A:\n```\nAir scatters" in request.query else "B"

        scripts = {"one": self.OCEAN, "two": self.SCATTERS, "chief": judge}
        ask = ScriptedAsk(scripts, vectors=self.VECTORS)
        keys = {"type": "vote", "judge": "chief"}
        assert await said(keys, Panel(TWO), ask, chat(self.WHY)) == self.SCATTERS
        assert ask.facts["grouping"] == "judge"
        assert ask.experts == ["one", "two", "chief", "chief"]
        assert most_calls(make(keys), Panel(TWO)) == Counter(one=1, two=1, chief=2)
