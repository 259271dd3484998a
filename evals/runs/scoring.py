"""The second stage of a run: what its answers are worth, and those that were seen on the way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.runs.questions import Asked
from evals.runs.record import Candidate, Row
from evals.runs.subjects.given import Given
from experts.errors import ExpertRefused

CHEAP = frozenset({"exact", "contains", "number", "choice", "label", "json", "f1"})
"""Scorers that cost nothing beside an answer: candidates are scored by these as well."""


NO_SCORE, NO_GRADE = "scorer_failed", "judge_failed"
UNSCORED = (NO_SCORE, NO_GRADE)
"""How the errors of answers begin that are there, but have no score."""


class Verdict(NamedTuple):
    """A score in 0..1; `error` where the scorer failed, which counts as 0."""

    score: float
    error: str | None = None


Key = tuple[str, str, str]
"""Task, sample, text."""
Verdicts = Mapping[Key, Verdict]


def scored(given: Iterable[Given], prices: Mapping[str, float], judged: Verdicts) -> list[Row]:
    """The rows of a run, in the order of the answers; equal texts are scored once.

    `judged` are the verdicts that an expert has given. It takes seconds of CPU time where a scorer
    does, so it runs in a thread.
    """
    rows = list(given)
    wanted: dict[Key, Asked] = {}
    for one in rows:
        texts = [] if one.error is not None else [one.text]
        if _is_cheap(one.asked):
            texts += [said.text for said in one.said]
        wanted |= {key_of(one.asked, text): one.asked for text in texts}
    found = {**verdicts({key: wanted[key] for key in wanted if key not in judged}), **judged}
    return [_row(one, found, prices) for one in rows]


def verdicts(wanted: Mapping[Key, Asked]) -> dict[Key, Verdict]:
    """What the tasks' scorers say of texts; one batch for each task."""
    by_task: dict[str, list[Key]] = defaultdict(list)
    for key in wanted:
        by_task[key[0]].append(key)
    found: dict[Key, Verdict] = {}
    for keys in by_task.values():
        task = wanted[keys[0]].task
        scores = task.scores([(wanted[key].sample, key[2]) for key in keys])
        for place, (key, score) in enumerate(zip(keys, scores.values, strict=True)):
            problem = scores.problems.get(place)
            found[key] = Verdict(score, problem and f"{NO_SCORE}: {problem}")
    return found


def _is_cheap(asked: Asked) -> bool:
    return asked.task.spec_of(asked.sample).scorer in CHEAP


def _row(one: Given, found: Verdicts, prices: Mapping[str, float]) -> Row:
    asked, spent = one.asked, one.spent
    own = Verdict(0.0, one.error) if one.error is not None else found[key_of(asked, one.text)]
    return Row(
        subject=one.subject,
        task=asked.task.name,
        sample=asked.sample.id,
        draw=asked.draw,
        category=asked.category,
        question=asked.sample.question,
        gold=asked.sample.answer,
        answer=one.text,
        score=own.score,
        error=own.error,
        expert=one.expert,
        routed=one.routed,
        candidates=_candidates(one, found),
        confidence=one.confidence,
        calls=dict(spent.calls),
        tokens=spent.tokens,
        price_usd=sum(
            (tokens.prompt + tokens.completion) * prices.get(expert, 0.0) / 1e6
            for expert, tokens in spent.tokens.items()
        ),
        seconds=round(spent.seconds, 4),
    )


def _candidates(one: Given, found: Verdicts) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(expert=said.expert, text=said.text, score=_score(found, one.asked, said.text))
        for said in one.said
    )


def _score(found: Verdicts, asked: Asked, text: str) -> float | None:
    known = found.get(key_of(asked, text))
    return None if known is None or known.error is not None else known.score


def key_of(asked: Asked, text: str) -> Key:
    """What tells an answer to a question apart; its draw does not."""
    return (asked.task.name, asked.sample.id, text)


def failed(rows: Sequence[Row]) -> int:
    """How many rows have no score of their own."""
    return sum(row.error is not None for row in rows)


def hopeless(row: Row) -> bool:
    """Whether the request itself was refused: the same pool would refuse it again."""
    return row.error is not None and row.error.startswith(f"{ExpertRefused.code}:")
