"""An expert with no evidence near a question does not win over one that was seen to answer it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evals.tasks.task import load_tasks
from experts.types import Request
from routers.features import MiniLMEncoder
from routers.fitted.support import Support
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import build

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ZOO = ROOT / "experts/zoo/outcomes.parquet"
TASKS = ROOT / "examples/real/tasks"
OWN = {"chat": 0.35, "tuned": 0.7}
MASKS = arrays(np.bool_, st.tuples(st.integers(2, 12), st.integers(1, 4)))


def vectors(count: int) -> Any:
    found = np.random.default_rng(count).normal(size=(count, 8))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@given(MASKS)
def test_support_is_a_share_and_somebody_has_all_of_it(mask: Any) -> None:
    scores = np.where(mask, 1.0, np.nan)
    support = Support.of(vectors(len(mask)), scores)
    found = support.at(vectors(len(mask) + 3))
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.max(axis=1) == 1).all()
    if mask.any(axis=1).all():
        own = support.at(vectors(len(mask)))
        assert (own[mask] == 1).all()  # Whoever was asked the very question has evidence.


@given(st.integers(1, 9), st.integers(1, 4))
def test_who_was_asked_the_same_has_the_same_evidence(count: int, experts: int) -> None:
    support = Support.of(vectors(count), np.zeros((count, experts)))
    assert (support.at(vectors(4)) == 1).all()


def test_a_specialist_fades_faster_than_who_was_asked_here_and_there() -> None:
    angles = np.radians([0, 2, 4, 6, 60, 0, 30, 90])
    questions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = np.full((8, 3), np.nan)
    scores[:4, 0] = scores[4, 1] = scores[5:, 2] = 1.0
    specialist, _, spread = Support.of(questions, scores).at(questions[4:5])[0]
    assert specialist < 0.5 < spread


@pytest.fixture(scope="module")
def encoder() -> MiniLMEncoder:
    return MiniLMEncoder()


@pytest.mark.parametrize("failed", [False, True], ids=["untried", "failed"])
def test_specialists_of_the_zoo_do_not_win_word_problems(
    failed: bool, encoder: MiniLMEncoder, tmp_path: Path
) -> None:
    """Questions of the zoo's table, and our own ones, which its experts were not (all) asked."""
    zoo = OutcomeTable.read(ZOO)
    version = {row["expert"]: row["expert_version"] for row in zoo.rows.to_pylist()}
    tasks = load_tasks(folder=TASKS)
    rng = np.random.default_rng(0)
    rows = [
        Outcome(one.id, task.name, one.question, expert, "1", float(rng.random() < OWN[expert]))
        for task in tasks.values()
        for one in task.samples("probe")
        for expert in OWN
    ] + [
        Outcome(one.id, task.name, one.question, expert, version[expert], 0.0)
        for task in tasks.values()
        for one in task.samples("probe")
        for expert in (version if failed else ())
    ]
    path = tmp_path / "mixed.parquet"
    zoo.append(rows).with_embeddings(encoder).write(path)
    router = build(
        "auto", {"type": "knn", "outcomes": str(path)}, (*version, *OWN), lambda: encoder
    )
    for task in tasks.values():
        chosen = _chosen(router, [one.question for one in task.samples("test")[:40]])
        # The zoo was asked some conversions, too: there its expert has evidence of its own.
        own = sum(chosen[expert] for expert in (*OWN, *(["units"] * (task.name == "conversions"))))
        assert own >= 0.97 * chosen.total()
    for name in ("geography", "arithmetic", "units"):
        questions = [one.question for one in load_tasks([name])[name].samples("test")[:40]]
        assert _chosen(router, questions)[name] >= 36


def _chosen(router: Any, questions: list[str]) -> Counter[str]:
    requests = [
        Request(text, "chat/completions", {"messages": [{"role": "user", "content": text}]})
        for text in questions
    ]
    return Counter(decision.scores[0][0] for decision in router.route(requests))
