"""Aggregators ask the council's generalist exactly as it was taught."""

from __future__ import annotations

from repository import ROOT
from scripted_ask import ScriptedAsk, said

from aggregators.base import Panel
from experts.zoo.council.formats import PEER, discussion_prompt, grade_prompt
from experts.zoo.council.generalist import GENERALIST
from experts.zoo.formats import judgement_prompt, synthesis_prompt

PROMPTS = ROOT / "examples" / "prompts"
ANSWERS = {"ada": "Lima", "ben": "Lima", "cleo": "Quito"}
MEMBERS = tuple(ANSWERS)


def queries(ask: ScriptedAsk) -> list[str]:
    """What the generalist was asked."""
    return [request.query for name, request in ask.asked if name == GENERALIST]


async def test_a_discussion() -> None:
    ask = ScriptedAsk({**ANSWERS, GENERALIST: ["Sucre", "Lima"]})
    keys = {
        "type": "debate",
        "rounds": 1,
        "discussants": [GENERALIST],
        "prompt": PROMPTS / "council-discussion.txt",
        "peers": PEER,
    }
    assert await said(keys, Panel((GENERALIST, *MEMBERS)), ask) == "Lima"
    first, again = queries(ask)
    assert again == discussion_prompt(first, "Sucre", {"Lima": 2, "Quito": 1})


async def test_a_synthesis() -> None:
    ask = ScriptedAsk({**ANSWERS, GENERALIST: "Lima"})
    keys = {
        "type": "synthesize",
        "expert": GENERALIST,
        "prompt": PROMPTS / "synthesis.txt",
        "candidate": "{number}. {answer}",
        "shuffle_seed": None,
    }
    assert await said(keys, Panel(MEMBERS), ask) == "Lima"
    (asked,) = queries(ask)
    question = asked.split("\n")[0].removeprefix("Question: ")
    assert asked == synthesis_prompt(question, list(ANSWERS.values()))


async def test_a_ranking_in_pairs_and_by_grades() -> None:
    keys = {"type": "rank", "judge": GENERALIST}
    ask = ScriptedAsk({**ANSWERS, GENERALIST: "A"})
    prompt = PROMPTS / "council-judge.txt"
    assert await said({**keys, "method": "pairs", "prompt": prompt}, Panel(MEMBERS), ask) == "Lima"
    question = queries(ask)[0].split("\n")[0].removeprefix("Question: ")
    pairs = [("Lima", "Quito"), ("Quito", "Lima")]
    assert queries(ask) == [judgement_prompt(question, *pair) for pair in pairs]

    ask = ScriptedAsk({**ANSWERS, GENERALIST: ["0", "10"]})
    prompt = PROMPTS / "council-grade.txt"
    assert await said({**keys, "method": "grade", "prompt": prompt}, Panel(MEMBERS), ask) == "Quito"
    assert queries(ask) == [grade_prompt(question, answer) for answer in ("Lima", "Quito")]
