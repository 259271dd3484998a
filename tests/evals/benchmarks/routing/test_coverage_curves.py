"""Risk and coverage over made-up answers: the area counts what it should, and who helps is said."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evals.benchmarks.routing.coverage_curves import (
    DISTANCE,
    FOREIGN,
    LEAD,
    QUALITY,
    SIGNALS,
    Answered,
    accuracies,
    area,
    aurc,
    run,
)
from evals.benchmarks.routing.coverage_report import (
    draw,
    guard_line,
    print_coverage,
    rows_of,
    verdict,
    write_json,
)
from evals.runs.recorded import Recorded
from routers.outcomes import Query

COUNT = 400
scored = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 4)), min_size=1, max_size=30
)


@given(scored, st.randoms())
def test_the_order_of_questions_does_not_matter_even_with_ties(pairs, random) -> None:
    scores, confidence = np.array(pairs, dtype=float).T
    again = list(pairs)
    random.shuffle(again)
    other = np.array(again, dtype=float).T
    assert aurc(scores, confidence) == pytest.approx(aurc(*other))
    assert accuracies(scores, confidence)[-1] == pytest.approx(scores.mean())


@given(scored)
def test_no_signal_is_better_than_the_oracle_and_a_constant_is_random(pairs) -> None:
    scores, confidence = np.array(pairs, dtype=float).T
    assert aurc(scores, scores) <= aurc(scores, confidence) + 1e-12
    assert aurc(scores, np.zeros(len(scores))) == pytest.approx(1 - scores.mean())


def test_an_area_by_hand() -> None:
    scores = np.array([1.0, 0.0, 1.0])
    assert accuracies(scores, np.array([3.0, 2.0, 1.0])).tolist() == [1.0, 0.5, 2 / 3]
    assert aurc(scores, np.array([3.0, 2.0, 1.0])) == pytest.approx(1 - (1 + 0.5 + 2 / 3) / 3)


@pytest.fixture(scope="module")
def answered() -> Answered:
    """Two experts with a skill each, a third kind of question that nobody knows, and strangers."""
    rng = np.random.default_rng(5)
    kinds = np.arange(COUNT) % 3
    raw = 3 * np.eye(8)[kinds] + rng.normal(scale=0.6, size=(COUNT, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    chance = np.where(kinds[:, None] == [0, 1], 0.95, 0.1)
    scores = (rng.random((COUNT, 2)) < chance).astype(float)
    answers = np.where(scores > 0, "A", "B").astype(object)
    queries = tuple(Query(f"q{n}", f"kind {kind}", f"text {n}") for n, kind in enumerate(kinds))
    groups = np.array([query.id for query in queries])
    recorded = Recorded(
        queries, groups, ("a", "b"), scores, answers, np.ones(scores.shape), "calls"
    )
    strange = rng.normal(scale=0.2, size=(60, 8)) - np.eye(8)[7]
    foreign = (strange / np.linalg.norm(strange, axis=1, keepdims=True)).astype(np.float32)
    rows = np.arange(COUNT)
    splits = [(rows[rows % 2 != half], rows[rows % 2 == half]) for half in (0, 1)]
    return run(recorded, splits, vectors, "made", foreign, lambda *words: None)


def test_predicted_quality_knows_what_nobody_knows_and_the_guard_who_is_strange(
    answered: Answered,
) -> None:
    strangers = answered.categories == FOREIGN
    assert len(answered.scores) == COUNT + 60
    assert strangers.sum() == 60
    assert answered.alarmed[strangers].mean() > 0.9
    assert answered.alarmed[~strangers].mean() < 0.1
    own = answered.take(~strangers)
    assert area(own.scores, own.confidence[QUALITY]).helps
    assert not area(own.scores, np.zeros(COUNT)).helps
    assert area(answered.scores, answered.confidence[DISTANCE]).helps


def test_what_is_printed_drawn_and_written(answered: Answered, tmp_path: Path) -> None:
    rows = rows_of(answered)
    assert [row.name for row in rows] == [
        "all questions",
        "without foreign ones",
        "kind 0",
        "kind 1",
        "kind 2",
    ]
    console = Console(width=160, record=True, file=io.StringIO())
    assert print_coverage(console, answered, rows, "Made up.") == 0
    said = console.export_text()
    assert guard_line(answered) in " ".join(said.split())
    alone = guard_line(answered.take(answered.categories != FOREIGN))
    assert "of the table's questions: " in alone
    for signal in SIGNALS:
        assert verdict(rows, signal) in " ".join(said.split())
    assert "without foreign ones" not in verdict(rows, QUALITY).partition("only")[2]
    assert verdict(rows[:1], DISTANCE) == "guard's distance: sure help in every row."
    assert "sure help in none of the rows" in verdict(rows[2:3], LEAD)
    draw(tmp_path / "c.png", answered, rows)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    write_json(tmp_path / "c.json", answered, rows, {"fit": "made"})
    tree = json.loads((tmp_path / "c.json").read_text())
    assert tree["rows"]["all questions"]["oracle"] <= tree["rows"]["all questions"]["random"]
    assert tree["guard"]["answered_of_foreign"] < 0.1
    assert len(tree["curves"][QUALITY]) == 100
