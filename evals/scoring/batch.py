"""Many answers scored together; one whose scorer fails does not hurt the others."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evals.scoring.base import Answered, NeedsGrading, Scorer

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores in the order of the pairs, and what went wrong, by the pair's place."""

    values: tuple[float, ...]
    problems: dict[int, str]
    """Place -> a sentence that names the sample; its score is 0."""


def score_all(
    scorer: Scorer, pairs: Sequence[tuple[Answered, str]], *, workers: int = WORKERS
) -> Scores:
    """Score every answer, with up to `workers` child processes where the scorer needs them.

    A scorer that raises, or gives something that is no number in 0..1, gives 0 and a problem.
    Raises NeedsGrading where no rule can score: all answers would have 0.
    """
    if scorer.waits and workers > 1 and len(pairs) > 1:
        with ThreadPoolExecutor(workers) as threads:
            found = list(
                threads.map(lambda place: _one(scorer, place, *pairs[place]), _places(pairs))
            )
    else:
        found = [_one(scorer, place, *pairs[place]) for place in _places(pairs)]
    problems = {place: problem for place, (_, problem) in enumerate(found) if problem}
    return Scores(tuple(score for score, _ in found), problems)


def _places(pairs: Sequence[object]) -> range:
    return range(len(pairs))


def _one(scorer: Scorer, place: int, sample: Answered, text: str) -> tuple[float, str]:
    try:
        score = float(scorer(sample, text))
        if not 0 <= score <= 1:
            raise ValueError(f"a score of {score} is not in 0..1")
    except NeedsGrading:
        raise
    except Exception as error:  # The edge: whatever a scorer does wrong costs its own answer.
        name = getattr(sample, "id", None) or f"number {place + 1}"
        why = " ".join(str(error).split()) or type(error).__name__
        return 0.0, f"The scorer {scorer.name} failed on the sample {name}: {why}"
    return score, ""
