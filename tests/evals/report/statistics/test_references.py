"""The best single expert without its luck, and the oracle."""

import numpy as np
import pytest

from evals.report.statistics.intervals import interval
from evals.report.statistics.references import best_single, oracle
from evals.report.statistics.scores import TaskScores


def _task(name: str = "t", **columns: list[float]) -> TaskScores:
    arrays = {key: np.array(values, float) for key, values in columns.items()}
    count = len(next(iter(arrays.values())))
    names = tuple(map(str, range(count)))
    lost = {key: np.zeros(count) for key in arrays}
    return TaskScores(name, names, ("c",) * count, arrays, lost)


def test_an_expert_that_is_far_better_is_the_opponent_everywhere() -> None:
    task = _task(a=[1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1], b=[0, 0, 0, 1] + [0] * 8)
    found = best_single([task], ["a", "b"], 0)
    assert found is not None
    assert (found.name, found.in_sample) == ("a", pytest.approx(11 / 12))
    assert found.chosen == {"a": pytest.approx(1.0)}
    assert found.scores["t"] == pytest.approx(task.columns["a"])


def test_it_is_one_expert_for_all_tasks_and_every_task_counts_the_same() -> None:
    large = _task("large", a=[1.0] * 40, b=[0.8] * 40)
    small = _task("small", a=[0.0] * 20, b=[0.5] * 20)
    found = best_single([large, small], ["a", "b"], 0)
    assert found is not None
    assert found.name == "b"
    assert found.in_sample == pytest.approx(0.65)
    assert found.scores["small"] == pytest.approx(np.full(20, 0.5))


def test_an_expert_that_was_not_asked_a_task_is_no_opponent() -> None:
    tasks = [_task("x", a=[0.0, 0.0], b=[1.0, 1.0]), _task("y", a=[0.0, 0.0])]
    found = best_single(tasks, ["a", "b"], 0)
    assert found is not None
    assert found.name == "a"
    assert best_single(tasks, ["nobody"], 0) is None
    assert best_single([], ["a"], 0) is None


def test_a_question_that_an_opponent_lacks_has_no_value() -> None:
    gap = float("nan")
    task = _task(a=[1, 1, gap, 1, 1, 1], b=[0, 0, 0, 0, 0, 0])
    found = best_single([task], ["a", "b"], 0)
    assert found is not None
    assert np.isnan(found.scores["t"]).tolist() == [False, False, True, False, False, False]


def test_one_question_is_enough_for_an_answer() -> None:
    found = best_single([_task(a=[0.0], b=[1.0])], ["a", "b"], 0)
    assert found is not None
    assert found.chosen == {"a": pytest.approx(1.0)}  # No other question says who is better.


def test_choosing_on_other_questions_takes_the_luck_away() -> None:
    """Eight experts that are equally good: the best of them is 0.5, whatever it looks like."""
    rng = np.random.default_rng(0)
    after_the_fact, fair = [], []
    for run in range(120):
        names = [f"e{k}" for k in range(8)]
        task = _task(**{name: list(map(float, rng.random(60) < 0.5)) for name in names})
        found = best_single([task], names, run, repeats=2)
        assert found is not None
        after_the_fact.append(found.in_sample)
        fair.append(found.scores["t"].mean())

    assert np.mean(after_the_fact) > 0.57
    # The mean of 120 runs has a standard error of about 0.006.
    assert np.mean(fair) == pytest.approx(0.5, abs=0.02)


def test_a_gain_of_nothing_is_seldom_sure_over_the_best_after_the_fact() -> None:
    """The router is as good as its equal experts; one in forty would be right."""
    rng = np.random.default_rng(5)
    names = [f"e{k}" for k in range(6)]
    sure = 0
    for _ in range(150):
        table = (rng.random((50, 7)) < 0.5).astype(float)
        best = int(np.argmax(table[:, : len(names)].mean(axis=0)))
        gain = interval(table[:, 6] - table[:, best], signed=True)
        assert gain is not None
        sure += gain.low > 0
    assert sure <= 4


def test_the_oracle_is_known_where_every_expert_answered() -> None:
    gap = float("nan")
    task = _task(a=[1, 0, 0, gap], b=[0, 0, 0.5, 1])
    lost = {**task.failed, "b": np.array([0.0, 1.0, 0.0, 0.0])}
    best = oracle(TaskScores("t", task.samples, task.categories, task.columns, lost), ["a", "b"])
    assert best is not None
    assert best[[0, 2]].tolist() == [1.0, 0.5]
    assert np.isnan(best[[1, 3]]).all()
    assert oracle(task, ["a"]) is None
