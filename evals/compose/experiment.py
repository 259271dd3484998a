"""Chooses compositions on some questions, and reports what they do on others.

The questions are cut into parts. Each part is the report once: everything that is chosen for it
(routers, thresholds, subsets, the frontier, the best single expert) comes from the other parts, by
cross-validation among them. The first part's frontier is printed; over all parts together it is
estimated what the search as a whole is worth, and how far it flatters itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from evals.compose.answers.embedding import Doing
from evals.compose.ballots import Floats
from evals.compose.bounds import Bounds, Tried, summary
from evals.compose.candidates import orders
from evals.compose.composition import Composition
from evals.compose.confidence import Paired, paired
from evals.compose.predictions import Embedded, cross_fitted, fitted_on, parts
from evals.compose.replay import Played, Replay
from evals.compose.search import Costs, Found, frontier, search, without
from evals.reporting.intervals import Accuracy, accuracy


@dataclass(frozen=True, slots=True)
class Settings:
    """What the search is asked for."""

    bounds: Bounds
    cost: Costs
    """What the frontier is drawn against."""
    parts: int = 2
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Judged:
    """A composition that was chosen, on the questions of the report."""

    selected: Tried
    """On the questions that it was chosen on."""
    reported: Tried
    accuracy: Accuracy
    gain: Paired
    """Over the best single expert."""
    scores: Floats
    """[T]"""


@dataclass(frozen=True, eq=False)
class Drop:
    """What the pool loses without an expert."""

    expert: str
    memory_gb: float
    loss: Paired | None
    """None where the chosen composition does not ask it; then nothing is lost."""
    instead: Composition | None
    """The best within the bounds without it; None where there is none."""


@dataclass(frozen=True, eq=False)
class Result:
    """What one search found, and what all searches together say of it."""

    tried: int
    """Compositions."""
    chosen_on: int
    """Questions."""
    reported_on: int
    points: tuple[Judged, ...]
    """The frontier, from the cheapest on."""
    chosen: Judged
    """The best within the bounds."""
    single: Judged
    drops: tuple[Drop, ...]
    optimism: float
    """Accuracy where a composition was chosen, less that where it is reported; over all parts."""
    optimism_error: float
    """Its standard error."""
    overall: Accuracy
    """What is chosen within the bounds, over the reports of all parts."""
    overall_gain: Paired
    overall_calls: float


@dataclass(frozen=True, eq=False)
class _Part:
    selection: Replay
    report: Replay
    found: Found
    seed: int

    def judge(self, one: Tried) -> Judged:
        played = self.report.play(one.composition)
        single = self.report.play(self.found.single.composition)
        return self.judged(one, played, single)

    def judged(self, one: Tried, played: Played, single: Played) -> Judged:
        reported = summary(self.report.matrix, one.composition, played)
        total, count = float(played.scores.sum()), len(played.scores)
        gain = paired(played.scores, single.scores, self.seed)
        return Judged(one, reported, accuracy(total, count), gain, played.scores)


def compose(known: Embedded, settings: Settings, doing: Doing) -> Result:
    """Search, report, and estimate. Raises ConfigError where nothing keeps to the bounds."""
    settings.bounds.check(known.matrix)
    searches: list[_Part] = []
    pairs: list[tuple[Judged, Judged]] = []
    cuts = parts(known.matrix.groups, settings.parts, settings.seed)
    for number, (seen, unseen) in enumerate(cuts):
        told = partial(_told, doing, f"search {number + 1} of {settings.parts}: ")
        one = _part(known.take(seen), known.take(unseen), settings, told)
        pairs.append(
            (one.judge(settings.bounds.best(one.found.tried)), one.judge(one.found.single))
        )
        searches.append(one)
    first, (chosen, single) = searches[0], pairs[0]
    scores = np.concatenate([judged.scores for judged, _ in pairs])
    singles = np.concatenate([judged.scores for _, judged in pairs])
    apart = [judged.selected.accuracy - judged.reported.accuracy for judged, _ in pairs]
    errors = [_error(part, judged) for part, (judged, _) in zip(searches, pairs, strict=True)]
    calls = [judged.reported.calls * len(judged.scores) for judged, _ in pairs]
    return Result(
        len(first.found.tried),
        len(first.selection.matrix.queries),
        len(first.report.matrix.queries),
        tuple(first.judge(point) for point in frontier(first.found.tried, settings.cost)),
        chosen,
        single,
        tuple(_drops(first, chosen, settings.bounds, doing)),
        float(np.mean(apart)),
        float(np.sqrt(np.sum(np.square(errors))) / len(errors)),
        accuracy(float(scores.sum()), len(scores)),
        paired(scores, singles, settings.seed),
        sum(calls) / len(scores),
    )


def _part(seen: Embedded, unseen: Embedded, settings: Settings, doing: Doing) -> _Part:
    wanted = orders()
    inner = cross_fitted(seen, wanted, settings.folds, settings.seed + 1, doing)
    selection = Replay(seen.matrix, inner)
    found = search(selection, doing)
    report = Replay(unseen.matrix, fitted_on(seen, unseen, wanted, doing))
    return _Part(selection, report, found, settings.seed)


def _error(part: _Part, judged: Judged) -> float:
    """Standard error of an accuracy on two sets of questions, one less the other."""
    chosen_on = part.selection.play(judged.selected.composition).scores
    return float(np.sqrt(sum(one.var() / len(one) for one in (chosen_on, judged.scores))))


def _drops(part: _Part, chosen: Judged, bounds: Bounds, doing: Doing) -> list[Drop]:
    """For every expert, the best of the others against the best of all, on the report."""
    matrix = part.report.matrix
    found = []
    for expert, size in zip(matrix.experts, matrix.memory_gb.tolist(), strict=True):
        if expert not in chosen.selected.asked:
            found.append(Drop(expert, size, None, chosen.selected.composition))
            continue
        within = _within(without(part.selection, part.found, expert, doing), bounds)
        if not within:
            found.append(Drop(expert, size, None, None))
            continue
        instead = bounds.best(within).composition
        loss = paired(chosen.scores, part.report.play(instead).scores, part.seed)
        found.append(Drop(expert, size, loss, instead))
    return found


def _within(found: Sequence[Tried], bounds: Bounds) -> list[Tried]:
    return [one for one in found if not bounds.excess(one)]


def _told(doing: Doing, before: str, text: str, done: int, total: int) -> None:
    doing(before + text, done, total)
