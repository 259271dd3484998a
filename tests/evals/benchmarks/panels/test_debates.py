"""Judged debates: the real aggregator between scripted sides, and a judge that follows a rule."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from repository import ROOT
from rich.console import Console
from scripted_experts import ScriptedExperts, scripted_experts

from aggregators.debate.debate_config import JudgedDebateConfig
from aggregators.debate.judged import JudgedDebate
from evals.benchmarks.panels.debates import debate_config, measure
from evals.benchmarks.panels.debates_report import (
    CONSULTANCY,
    DEBATE,
    DISHONEST_ALONE,
    HONEST_ALONE,
    INVENTING,
    UNARGUED,
    UNCHECKED,
    Found,
    print_debates,
    verdicts,
    write_json,
)
from evals.benchmarks.panels.debates_stage import Judged, Setting, stage
from evals.client.progress import Progress
from experts.errors import ConfigError, ServiceError
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.zoo.council.formats import SILENCE, case, marked
from experts.zoo.council.passages import dishonest_quotes, honest_quotes, sample_passage
from experts.zoo.formats import judgement_prompt
from orchestrator.config.model import Config

PROMPT = ROOT / "examples" / "prompts" / "council-judge.txt"
ROUNDS = 2
CONFIG = JudgedDebateConfig(type="judged_debate", rounds=ROUNDS, judge="judge", prompt=PROMPT)
PASSAGE = sample_passage(Random(5), "test")


def verified(case_text: str) -> bool:
    """Whether what a side says first is verified: scripts begin with what matters."""
    return "".join(case_text.splitlines()[1:2]).startswith("<verified_quote>")


def rule(body: dict[str, Any]) -> str:
    """Judges by what is verified; by the first letter of the answer where that says nothing."""
    found = re.search(r"\nA: (.*)\nB: (.*)\nBetter:", body["messages"][-1]["content"], re.DOTALL)
    assert found is not None
    sides = found[1], found[2]
    if verified(sides[0]) == verified(sides[1]):
        return "Verdict: A" if sides[0] < sides[1] else "Verdict: B"
    return "Verdict: A" if verified(sides[0]) > verified(sides[1]) else "Verdict: B"


def engine(experts: ScriptedExperts, client: ExpertClient) -> OpenAIEngine:
    return OpenAIEngine(Endpoint("judge", experts.base_url, "judge"), client)


async def judged(experts: ScriptedExperts, setting: Setting, order: int = 0) -> Judged:
    async with ExpertClient() as client:
        said = (PASSAGE, setting, ROUNDS, engine(experts, client), Random(order))
        return await stage(JudgedDebate(CONFIG), *said)


@pytest.mark.parametrize(
    "setting", [DEBATE, INVENTING, UNCHECKED, HONEST_ALONE, DISHONEST_ALONE, UNARGUED]
)
async def test_the_judge_is_asked_as_it_was_taught(setting: Setting) -> None:
    honest = honest_quotes(PASSAGE, ROUNDS)
    lies = dishonest_quotes(PASSAGE, ROUNDS, invents=setting.invents)
    cases = []
    for side, answer, quotes in (
        ("honest", PASSAGE.right, honest),
        ("dishonest", PASSAGE.wrong, lies),
    ):
        known = [marked(q, setting.checked and q in PASSAGE.sentences) for q in quotes]
        silent = [SILENCE] * (ROUNDS if setting.argue else 0)
        cases.append(case(answer, known if side in setting.argue else silent))
    async with scripted_experts() as experts:
        experts.says = rule
        found = await judged(experts, setting)
    asked = [body["messages"][-1]["content"] for body in experts.bodies]
    assert sorted(asked) == sorted(
        judgement_prompt(PASSAGE.question, *pair) for pair in (cases, cases[::-1])
    )
    assert found.tokens == sum(len(text.split()) for text in asked) + 2 * len(["Verdict:", "A"])


@pytest.mark.parametrize("order", range(4))
async def test_who_is_named_first_does_not_matter(order: int) -> None:
    async with scripted_experts() as experts:
        experts.says = rule
        found = await judged(experts, INVENTING, order)
        assert (found.score, found.probability) == (1.0, 1.0)
        experts.says = lambda body: "Verdict: A"
        undecided = await judged(experts, DEBATE, order)
    assert (undecided.score, undecided.probability) == (0.5, 0.5)


async def test_a_judge_without_a_verdict_is_an_error() -> None:
    async with scripted_experts() as experts:
        experts.says = lambda body: "I do not know."
        with pytest.raises(ServiceError, match="must reply with A or B"):
            await judged(experts, DEBATE)
        experts.refuse = lambda body: 500
        with pytest.raises(ServiceError, match="gave no verdict"):
            await judged(experts, DEBATE)


async def test_every_setting_is_measured_and_told(tmp_path: Path) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    async with scripted_experts() as experts, ExpertClient() as client:
        experts.says = rule
        with Progress(console) as progress:
            judge = engine(experts, client)
            found = await measure(CONFIG, judge, 30, 0, 8, progress)
            again = await measure(CONFIG, judge, 30, 0, 3, progress)
    assert found == again
    rows = found.rows
    assert rows[HONEST_ALONE.name][:, 0].mean() == 1
    assert rows[INVENTING.name][:, 0].mean() == 1
    # It believes whoever quotes, so that a dishonest consultant always wins.
    assert rows[DISHONEST_ALONE.name][:, 0].mean() == 0
    assert rows[CONSULTANCY][:, 0].mean() == 0.5
    print_debates(console, found)
    said = console.export_text()
    assert "judge judged 30 held-out passages" in said
    write_json(tmp_path / "debates.json", found)
    tree = json.loads((tmp_path / "debates.json").read_text())
    assert tree["settings"][CONSULTANCY]["accuracy"]["mean"] == 0.5
    assert len(tree["verdicts"]) == 3


def test_the_claim_is_met_only_beyond_the_interval() -> None:
    def scored(right: int) -> list[Judged]:
        return [Judged(float(n < right), 0.5, 10) for n in range(100)]

    names = [s.name for s in (DEBATE, INVENTING, UNCHECKED, HONEST_ALONE, DISHONEST_ALONE)]
    rights = [95, 95, 50, 98, 52]
    rows = {name: scored(right) for name, right in zip(names, rights, strict=True)}
    met = [one.met for one in verdicts(Found("judge", 1, {**rows, UNARGUED.name: scored(50)}))]
    assert met == [True, True, True]
    met = [one.met for one in verdicts(Found("judge", 1, {**rows, UNARGUED.name: scored(75)}))]
    assert met == [True, False, True]


def config(**aggregators: Any) -> Config:
    experts = {
        name: {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": name}
        for name in ("one", "two")
    }
    return Config.model_validate({"version": 1, "experts": experts, "aggregators": aggregators})


def test_the_judge_is_the_file_s_or_the_one_that_is_named() -> None:
    keys = {"type": "judged_debate", "judge": "one", "rounds": 2}
    assert debate_config(config(debated=keys), None).judge == "one"
    found = debate_config(config(voted={"type": "vote"}, debated=keys), "two")
    assert (found.judge, found.rounds) == ("two", 2)
    assert debate_config(config(), "two").rounds == 3
    for settings, named in ((config(), None), (config(debated=keys), "three")):
        with pytest.raises(ConfigError, match="expert of the pool"):
            debate_config(settings, named)
