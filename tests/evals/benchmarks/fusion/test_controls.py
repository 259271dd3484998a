"""Query-level ways to use members, on answers where it is known what each of them must get."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.benchmarks.fusion.controls import best_member, controls, vote
from evals.client.worker.answers import Answers
from evals.tasks.task import Sample, Split, Task, TaskSpec

WORDS = ("add", "spell")


class WordEncoder:
    """Places a text by the first of WORDS that it holds."""

    name = "words"
    dimension = 2

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [[float(word in text) for word in WORDS] for text in texts]
        return np.asarray(rows, dtype=np.float32)


def make_task(name: str, word: str, answers: list[str]) -> Task:
    spec = TaskSpec.model_validate(
        {"name": name, "version": 1, "description": "", "data": "x", "scorer": "exact",
         "max_tokens": 8, "skill": name}
    )  # fmt: skip
    splits: tuple[Split, Split] = ("probe", "test")
    rows = [
        Sample(id=f"{name}-{split}-{i}", split=split, question=f"{word} {i}", answer=answer)
        for split in splits
        for i, answer in enumerate(answers)
    ]
    return Task(spec, tuple(rows))


SUMS = make_task("sums", "add", ["1", "2", "3", "4"])
LETTERS = make_task("letters", "spell", ["a", "b", "c", "d"])
TASKS = (SUMS, LETTERS)


def member(name: str, sums: str, letters: str) -> Answers:
    texts = {"sums": tuple(sums), "letters": tuple(letters)}
    scores = {
        task.name: tuple(map(task.score, task.samples("test"), texts[task.name])) for task in TASKS
    }
    return Answers(name, texts, scores)


ADDER = member("adder", "1234", "xxxx")
SPELLER = member("speller", "1xxx", "abcd")
GUESSER = member("guesser", "1x3x", "axcx")
MEMBERS = [SPELLER, GUESSER, ADDER]


def mean(scores: dict[str, tuple[float, ...]]) -> float:
    values = [one for task in scores.values() for one in task]
    return sum(values) / len(values)


def test_every_way_gets_what_it_can() -> None:
    found = {
        name: {task: sum(scores) for task, scores in ways.items()}
        for name, ways in controls(TASKS, MEMBERS, MEMBERS, WordEncoder()).items()
    }
    assert found == {
        "best single (speller)": {"sums": 1, "letters": 4},
        "random": {"sums": pytest.approx(7 / 3), "letters": pytest.approx(2)},
        "kNN router": {"sums": 4, "letters": 4},
        "domain classifier": {"sums": 4, "letters": 4},
        "plurality vote": {"sums": 2, "letters": 2},
        "per-query oracle": {"sums": 4, "letters": 4},
    }


def test_one_task_needs_no_classifier() -> None:
    alone = [
        Answers(m.name, {"sums": m.texts["sums"]}, {"sums": m.scores["sums"]}) for m in MEMBERS
    ]
    found = controls([SUMS], alone, alone, WordEncoder())
    assert sum(found["domain classifier"]["sums"]) == 4
    assert best_member(alone) == "adder"


def test_a_vote_ignores_spaces_and_breaks_ties_by_rank() -> None:
    first = member("first", "1 x4", "abcd")
    second = member("second", "12x4", "abcd")
    third = member("third", "12xx", "xxxx")
    assert vote(TASKS, [first, second, third])["sums"] == (1, 1, 0, 1)
    assert vote(TASKS, [third, first])["sums"] == (1, 1, 0, 0)
    assert vote(TASKS, [first, third])["sums"] == (1, 0, 0, 1)
