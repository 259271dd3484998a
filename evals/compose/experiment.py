"""Chooses compositions on some questions, and reports what they do on others.

The questions are cut into parts. Each part is the report once: everything that is chosen for it
(routers, thresholds, subsets, the frontier) comes from the other parts, by cross-validation among
them. Only the opponent of all this, the best single expert, is chosen by the report itself: bad
luck of the expert that looked best elsewhere must not become a gain. The first part's frontier is
printed; over all parts together it is estimated what the search as a whole is worth, and how far it
flatters itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from evals.compose.answers.matrix import Matrix
from evals.compose.ballots import Floats
from evals.compose.bounds import Bounds, Tried, summary
from evals.compose.candidates import counts, orders, priced
from evals.compose.composition import Composition
from evals.compose.confidence import Paired, paired
from evals.compose.predictions import (
    Embedded,
    check_cuts,
    cross_fitted,
    effort,
    fitted_on,
    parts,
)
from evals.compose.replay import Replay
from evals.compose.search import Costs, Found, frontier, search, without
from evals.compose.steps import Doing, Steps
from evals.reporting.intervals import Accuracy, accuracy_of

REPLAYED = 500
"""Compositions that are replayed while a fast router is fitted, about."""


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
    """Over the best single expert of the report."""
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
    """The best expert alone on the questions of the report, chosen knowing them: the opponent."""
    picked: Judged
    """The best expert alone on the questions that chose."""
    drops: tuple[Drop, ...]
    optimism: float
    """Accuracy where a composition was chosen, less that where it is reported; over all parts."""
    optimism_error: float
    """Its standard error."""
    overall: Accuracy
    """What is chosen within the bounds, over the reports of all parts."""
    overall_gain: Paired
    """Over `overall_single`."""
    overall_single: str | None
    """The best expert alone on all questions; None where those that each search would have taken
    by themselves are better, which then are the opponent."""
    overall_calls: float


@dataclass(frozen=True, eq=False)
class _Part:
    selection: Replay
    report: Replay
    found: Found
    opponent: Tried

    def judge(self, one: Tried) -> Judged:
        played = self.report.play(one.composition)
        reported = summary(self.report.matrix, one.composition, played)
        gain = paired(played.scores, self.report.play(self.opponent.composition).scores)
        return Judged(one, reported, accuracy_of(played.scores), gain, played.scores)


def check(matrix: Matrix, settings: Settings) -> None:
    """Raise ConfigError for what cannot be searched, before anything is fitted."""
    settings.bounds.check(matrix)
    check_cuts(len(np.unique(matrix.groups)), settings.parts, settings.folds)


def efforts(matrix: Matrix, settings: Settings) -> list[float]:
    """About how long each step of `compose` takes, in fits of a fast router."""
    fitting = effort(orders())
    tries = [one / REPLAYED for one in counts(matrix.experts, prices=priced(matrix))]
    one_search = [settings.folds * fitting, *tries, fitting]
    return one_search * settings.parts + [tries[-1]] * len(matrix.experts)


def compose(known: Embedded, settings: Settings, doing: Doing) -> Result:
    """Search, report, and estimate. Raises ConfigError where nothing keeps to the bounds."""
    check(known.matrix, settings)
    steps = Steps(doing, efforts(known.matrix, settings))
    searches: list[_Part] = []
    chosen: list[Judged] = []
    cuts = parts(known.matrix.groups, settings.parts, settings.seed)
    for number, (seen, unseen) in enumerate(cuts):
        told = f"search {number + 1} of {settings.parts}: "
        begin = partial(steps.next, told)
        one = _part(known.take(seen), known.take(unseen), settings, begin)
        chosen.append(one.judge(settings.bounds.best(one.found.tried)))
        searches.append(one)
    first = searches[0]
    scores = np.concatenate([judged.scores for judged in chosen])
    rival, rivals = _rival(searches)
    apart = [judged.selected.accuracy - judged.reported.accuracy for judged in chosen]
    errors = [_error(part, judged) for part, judged in zip(searches, chosen, strict=True)]
    calls = [judged.reported.calls * len(judged.scores) for judged in chosen]
    return Result(
        len(first.found.tried),
        len(first.selection.matrix.queries),
        len(first.report.matrix.queries),
        tuple(first.judge(point) for point in frontier(first.found.tried, settings.cost)),
        chosen[0],
        first.judge(first.opponent),
        first.judge(first.found.single),
        tuple(_drops(first, chosen[0], settings.bounds, steps)),
        float(np.mean(apart)),
        float(np.sqrt(np.sum(np.square(errors))) / len(errors)),
        accuracy_of(scores),
        paired(scores, rivals),
        rival,
        sum(calls) / len(scores),
    )


def _part(
    seen: Embedded, unseen: Embedded, settings: Settings, begin: Callable[[], Doing]
) -> _Part:
    wanted = orders()
    inner = cross_fitted(seen, wanted, settings.folds, settings.seed + 1, begin())
    selection = Replay(seen.matrix, inner)
    found = search(selection, begin)
    report = Replay(unseen.matrix, fitted_on(seen, unseen, wanted, begin()))
    return _Part(selection, report, found, _opponent(found, report))


def _opponent(found: Found, report: Replay) -> Tried:
    """Who is best alone on the report; of equals, who is best where it is chosen."""
    means = report.matrix.scores.mean(axis=0).round(9).tolist()
    ranked = zip(means, found.alone, strict=True)
    return max(ranked, key=lambda one: (one[0], one[1].rank))[1]


def _rival(searches: Sequence[_Part]) -> tuple[str | None, Floats]:
    """Who is best alone over all reports, and its scores there."""
    scores = np.concatenate([part.report.matrix.scores for part in searches])
    best = int(scores.mean(axis=0).argmax())
    picks = [part.report.play(part.found.single.composition).scores for part in searches]
    picked = np.concatenate(picks)
    if picked.mean() > scores[:, best].mean():
        return None, picked
    return searches[0].report.matrix.experts[best], scores[:, best]


def _error(part: _Part, judged: Judged) -> float:
    """Standard error of an accuracy on two sets of questions, one less the other."""
    chosen_on = part.selection.play(judged.selected.composition).scores
    return float(np.sqrt(sum(one.var() / len(one) for one in (chosen_on, judged.scores))))


def _drops(part: _Part, chosen: Judged, bounds: Bounds, steps: Steps) -> list[Drop]:
    """For every expert, the best of the others against the best of all, on the report."""
    matrix = part.report.matrix
    found = []
    for expert, size in zip(matrix.experts, matrix.memory_gb.tolist(), strict=True):
        doing = steps.next()
        if expert not in chosen.selected.asked:
            found.append(Drop(expert, size, None, chosen.selected.composition))
            continue
        within = _within(without(part.selection, part.found, expert, doing), bounds)
        if not within:
            found.append(Drop(expert, size, None, None))
            continue
        instead = bounds.best(within).composition
        loss = paired(chosen.scores, part.report.play(instead).scores)
        found.append(Drop(expert, size, loss, instead))
    return found


def _within(found: Sequence[Tried], bounds: Bounds) -> list[Tried]:
    return [one for one in found if not bounds.excess(one)]
