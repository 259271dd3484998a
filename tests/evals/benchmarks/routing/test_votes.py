"""Votes over made-up recordings: what they cost, what they bring, and what is said of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evals.benchmarks.routing import panel_curves
from evals.benchmarks.routing.experiment import ORACLE, SINGLE, Experiment
from evals.benchmarks.routing.panel_curves import Curve
from evals.benchmarks.routing.votes import (
    ADAPTIVE,
    FIXED,
    FULL,
    WEIGHTED,
    Ballot,
    Predicted,
    predict,
    run,
)
from evals.benchmarks.routing.votes_by_category import by_category, print_by_category
from evals.benchmarks.routing.votes_report import (
    draw,
    print_votes,
    verdicts,
    weighted_line,
    write_json,
)
from evals.runs.recorded import Recorded
from routers.fitted.training_set import Floats
from routers.outcomes import Query

COUNT = 300
VOTERS = 6


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Six models that are right in two of three, each by itself; wrong answers differ."""
    rng = np.random.default_rng(3)
    right = rng.random((COUNT, VOTERS)) < 0.66
    answers = np.full(right.shape, None, dtype=object)
    for row, column in np.ndindex(*right.shape):
        answers[row, column] = "A" if right[row, column] else str(rng.integers(0, 5))
    queries = tuple(Query(f"q{n}", "made", f"question {n}") for n in range(COUNT))
    groups = np.array([f"g{n}" for n in range(COUNT)])
    models = tuple(f"m{n}" for n in range(VOTERS))
    prices = np.ones(right.shape)
    return Recorded(queries, groups, models, right.astype(float), answers, prices, "calls")


Given = tuple[Recorded, list[Predicted], Floats]


@pytest.fixture(scope="module")
def given_all(recorded: Recorded) -> Given:
    raw = np.random.default_rng(4).normal(size=(COUNT, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    half = np.arange(COUNT)
    splits = [(half[: COUNT // 2], half[COUNT // 2 :]), (half[COUNT // 2 :], half[: COUNT // 2])]
    return recorded, predict(recorded, splits, vectors, "made", lambda *words: None), vectors


@pytest.fixture(scope="module")
def votes(given_all: Given) -> Experiment:
    recorded, parts, _ = given_all
    return run(recorded, parts, lambda *words: None)


@pytest.fixture(scope="module")
def curves(given_all: Given) -> dict[str, Curve]:
    return panel_curves.run(*given_all, lambda *words: None)


def test_many_are_wiser_than_one_and_few_of_them_suffice(votes: Experiment) -> None:
    ways = votes.ways
    assert votes.questions == COUNT
    assert ways[FULL].scores.mean() > ways[SINGLE].scores.mean() + 0.1
    assert ways[ORACLE].scores.mean() > ways[FULL].scores.mean()
    assert ways[FULL].calls == ways[WEIGHTED].calls == VOTERS
    for way in (ADAPTIVE, FIXED):
        assert ways[way].calls < VOTERS / 1.3
        assert abs(ways[way].scores.mean() - ways[FULL].scores.mean()) < 0.03


def ballot(*answers: str | None) -> Ballot:
    scores = np.array([float(answer == "A") for answer in answers])
    return Ballot(answers, scores, np.ones(len(answers)))


def test_a_ballot_counts_who_was_asked() -> None:
    assert ballot("A", "A", "A", "B", "B", "B").vote(range(6), np.ones(6), 0.95) == (1.0, 2.0, 2)
    assert ballot("B", "A", "A").vote(range(3), np.ones(3)) == (1.0, 3.0, 3)


def test_ties_and_silence_go_to_who_was_asked_first() -> None:
    assert ballot("B", "A").vote([1, 0], np.ones(2))[0] == 1.0
    assert ballot("A", None).vote([1, 0], np.ones(2))[0] == 1.0
    assert ballot(None, None).vote([0, 1], np.ones(2))[0] == 0.0


def test_a_heavier_vote_wins() -> None:
    assert ballot("A", "B", "B").vote(range(3), np.array([5.0, 2.0, 2.0]))[0] == 1.0


@given(
    st.lists(
        st.lists(st.sampled_from(["A", "B", "C", None]), min_size=4, max_size=4),
        min_size=1,
        max_size=9,
    )
)
def test_panels_are_counted_as_votes_are(answers: list[list[str | None]]) -> None:
    scores = np.array([[float(answer == "A") for answer in row] for row in answers])
    made = np.full(scores.shape, None, dtype=object)
    for row, column in np.ndindex(*scores.shape):
        made[row, column] = answers[row][column]
    found = panel_curves.plurality(panel_curves.numbered(made), scores)
    assert found.tolist() == [ballot(*row).vote(range(4), np.ones(4))[0] for row in answers]


def test_panels_of_every_size_and_who_is_on_them(curves: dict[str, Curve]) -> None:
    assert set(curves[panel_curves.ALL].scores) == {VOTERS}
    for name, curve in curves.items():
        for size, scores in curve.scores.items():
            assert len(scores) == COUNT
            most = max(curve.distinct[size])
            assert most == size or (name == panel_curves.AGAIN and most <= size)
            if name != panel_curves.AGAIN:
                assert min(curve.distinct[size]) == size
    all_of_them = np.mean(curves[panel_curves.ALL].scores[VOTERS])
    assert all_of_them > np.mean(curves[panel_curves.FIXED].scores[2]) + 0.05
    assert np.mean(curves[panel_curves.GREEDY].scores[VOTERS]) == pytest.approx(
        all_of_them, abs=0.05
    )


def test_what_is_printed_and_written(
    votes: Experiment, curves: dict[str, Curve], tmp_path: Path
) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    met = all(verdict.met for verdict in verdicts(votes))
    assert print_votes(console, votes, curves, "Made up.") == (0 if met else 1)
    said = console.export_text()
    assert "adaptive vote, router's order" in said
    assert weighted_line(votes) in said
    assert "best of the category" in said
    draw(tmp_path / "v.png", curves)
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    write_json(tmp_path / "v.json", votes, curves, [], {"fit": "made"})
    tree = json.loads((tmp_path / "v.json").read_text())
    assert tree["setting"]["fit"] == "made"
    assert len(tree["setting"]["verdicts"]) == 2
    assert set(tree["setting"]["panels"]) == set(curves)


def test_every_category_has_its_row_and_they_add_up(
    votes: Experiment, curves: dict[str, Curve]
) -> None:
    kinds = ["odd" if number % 3 else "even" for number in range(COUNT)]
    rows = by_category(votes, curves, kinds)
    assert [(row.name, row.questions) for row in rows] == [("even", 100), ("odd", 200)]
    for way, scores in (
        ("all", votes.ways[FULL].scores),
        ("best single", votes.ways[SINGLE].scores),
    ):
        together = sum(row.questions * row.means[way] for row in rows) / COUNT
        assert together == pytest.approx(scores.mean())
    third = curves[panel_curves.CATEGORY].scores[3]
    assert rows[0].means["three of the category"] == pytest.approx(np.mean(third[::3]))
    console = Console(width=160, record=True, file=io.StringIO())
    print_by_category(console, rows)
    said = console.export_text()
    assert "in 2 of 2 categories" in said


def test_two_models_have_no_panel_of_three(votes: Experiment, curves: dict[str, Curve]) -> None:
    two = {name: Curve({2: curve.scores.get(2, [])}) for name, curve in curves.items()}
    (row,) = by_category(votes, two, ["one"] * COUNT)
    assert set(row.means) == {"best single", "adaptive", "all"}
