"""How long scoring takes.

    python -m evals.scoring.bench PREFIX

PREFIX_queries, _outcomes and _responses.parquet are tables with answers to `math_level5`.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.scoring.agreement import READ_AS, read_answers
from evals.scoring.base import Answered, Scorer
from evals.scoring.batch import score_all
from evals.scoring.registry import make_scorer

CHEAP, LATEX = 10_000, 1_000
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class _Question:
    answer: str
    fields: dict[str, Any] = field(default_factory=dict)


def numbers_and_choices(count: int) -> Iterator[tuple[str, Answered, str]]:
    """Made-up answers of a few sentences, half of each kind, about half of them right."""
    rng = random.Random(0)
    for place in range(count):
        one, other = rng.randrange(1_000), rng.randrange(1_000)
        said = f"First, {one} and {other} are given. {one} + {other} = {one + other}. " * 3
        if place % 2:
            answer = one + other + rng.randrange(2)
            yield "number", _Question(str(answer)), f"{said}The answer is {one + other}."
        else:
            letter = LETTERS[place // 2 % 10]
            yield "choice", _Question(rng.choice([letter, "A"])), f"{said}The answer is ({letter})."


def _timed(what: str, scorer: Scorer, pairs: Sequence[tuple[Answered, str]]) -> float:
    started, used = time.perf_counter(), time.process_time()
    found = score_all(scorer, pairs)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    print(
        f"{len(pairs):6} {what}: {seconds:6.2f} s on the clock, {used:.2f} s of this process,"
        f" {sum(found.values):.0f} right",
        flush=True,
    )
    return seconds


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prefix")
    chosen = parser.parse_args()
    made = list(numbers_and_choices(CHEAP))
    total = sum(
        _timed(
            f"{name}s",
            make_scorer(name),
            [(sample, text) for kind, sample, text in made if kind == name],
        )
        for name in ("number", "choice")
    )
    print(f"{CHEAP:6} numbers and choices together: {total:.2f} s")
    answers = read_answers(chosen.prefix, ["math_level5"])
    pairs = [(one, one.text) for one in random.Random(0).sample(answers, LATEX)]
    latex = make_scorer(*READ_AS["math_level5"])
    _timed("pairs of LaTeX, with the start of the children", latex, pairs)
    _timed("pairs of LaTeX, seen before", latex, pairs)


if __name__ == "__main__":
    main()
