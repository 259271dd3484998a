"""Experts that score 0 throughout: it is said why, and what to set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evals.fitting.probes import probes_of
from evals.fitting.unasked import why_unasked
from evals.fitting.zero_scores import zero_score_warnings
from evals.tasks.task import Task
from routers.fitted.coverage import Thresholds
from routers.fitted.fitting import Fitted
from routers.fitted.training_set import Floats, TrainingSet
from routers.knn import Knn, KnnConfig
from routers.outcomes import Outcome, OutcomeTable, Query

Answers = Callable[[str], str]


def table(tasks: list[Task], **experts: Answers) -> OutcomeTable:
    """What the experts say to right answers, scored as the tasks score it."""
    return OutcomeTable.from_rows(
        Outcome(
            probe.sample.id,
            probe.task.name,
            probe.sample.question,
            expert,
            "1",
            probe.task.score(probe.sample, says(probe.sample.answer)),
            text=says(probe.sample.answer),
        )
        for probe in probes_of(tasks)
        for expert, says in experts.items()
    )


def warnings_of(tasks: list[Task], **experts: Answers) -> tuple[str, ...]:
    versions = dict.fromkeys(experts, "1")
    return zero_score_warnings(table(tasks, **experts), versions, probes_of(tasks))


def sentence(answer: str) -> str:
    return f"The answer is {answer}."


def test_who_answers_in_sentences_is_told_the_scorer(make_task: Any) -> None:
    (warning,) = warnings_of([make_task("capitals", 8)], chat=sentence, exact=str)
    assert warning.startswith("chat scored 0 on all 8 questions of capitals, but 100% of its")
    assert "answers in sentences; this task scores exact text" in warning
    assert "Set `scorer: contains` in the YAML file of the task capitals" in warning


def test_numbers_are_scored_as_numbers(make_task: Any) -> None:
    task = make_task("sums", 8)
    rows = tuple(replace_answer(row, number) for number, row in enumerate(task.rows))
    (warning,) = warnings_of([replace(task, rows=rows)], chat=sentence)
    assert "`scorer: number`" in warning


def replace_answer(row: Any, number: int) -> Any:
    return replace(row, answer=str(number))


def test_who_is_never_right_is_told_what_it_says(make_task: Any) -> None:
    (warning,) = warnings_of([make_task("a", 2), make_task("b", 2)], lost=lambda right: "Hm?")
    assert "lost scored 0 on all 4 questions (a, b), so no router will choose it." in warning
    assert "'Hm?'" in warning


def test_a_specialist_that_fails_elsewhere_is_as_it_should_be(make_task: Any) -> None:
    tasks = [make_task("a"), make_task("b")]
    assert not warnings_of(tasks, a=lambda right: right if right.startswith("a ") else "Hm?")


def test_an_old_version_is_not_warned_of(make_task: Any) -> None:
    found = table([make_task("a")], chat=sentence)
    assert not zero_score_warnings(found, {"chat": "2"}, probes_of([make_task("a")]))


def fitted_on(scores: Floats, experts: tuple[str, ...]) -> Fitted:
    """A router of two tasks, the questions of each alike."""
    half = len(scores) // 2
    tasks = ["first"] * half + ["second"] * (len(scores) - half)
    queries = tuple(Query(str(n), task, str(n)) for n, task in enumerate(tasks))
    vectors = np.array([[1.0, 0.0] if task == "first" else [0.0, 1.0] for task in tasks])
    training_set = TrainingSet(queries, experts, vectors.astype(np.float32), scores, "e")
    config = KnnConfig(type="knn", outcomes=Path("x"), neighbours=4)
    return Fitted(training_set, Knn.fit(training_set, config), None, Thresholds(), 1.0, None)


def test_why_a_new_expert_is_asked_nothing() -> None:
    better = np.array([[1.0, 0.4]] * 8 + [[0.8, 0.6]] * 8)
    assert why_unasked("new", fitted_on(better, ("old", "new"))) == (
        "new is asked nothing, because others do better: where it comes closest, on second, it"
        " scores 0.60 and old 0.80."
    )
    wrong = np.array([[1.0, 0.0]] * 16)
    assert "it scored 0 on all 16 questions" in why_unasked("new", fitted_on(wrong, ("old", "new")))
    assert "none of the questions" in why_unasked("new", fitted_on(wrong, ("old", "other")))
    assert not why_unasked("old", fitted_on(better, ("old", "new")))
