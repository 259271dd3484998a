"""Fit every router on some questions, ask it about others, and count what its choices score."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from evals.runs.recorded import Recorded
from experts.errors import ConfigError
from routers.fitted.fitting import Fitted
from routers.fitted.training_set import Floats, TrainingSet
from routers.registry import router_class

FOLDS = 5
FEWEST = 20
"""Questions to fit on."""
NAMED = 5
"""Models that a message names."""
ROUTERS = (
    "knn", "clusters", "logistic", "factors", "kernel", "ensemble", "composition", "symbolic_moe",
)  # fmt: skip
SINGLE, RANDOM, VOTE = "best single", "random", "plurality vote of all"
CATEGORY, ORACLE = "best per category (knows the test)", "per-query oracle"
WEIGHTS = (0.0, *np.geomspace(1e-3, 10, 25).tolist())
"""Prices of a unit of (price / dearest), in quality, along a quality-cost curve."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Way:
    """What one way of answering scored on each test question, and what it cost."""

    scores: Floats
    """[T]"""
    prices: Floats
    """[T]"""
    calls: float
    curve: tuple[tuple[float, float], ...] = ()
    """(mean price, mean score) for growing weights of the price; of routers only."""


@dataclass(eq=False)
class _Collected:
    """What is gathered over the folds."""

    scores: list[Floats] = field(default_factory=list)
    prices: list[Floats] = field(default_factory=list)
    swept: list[Floats] = field(default_factory=list)
    """[weights, 2, T of the fold]"""


@dataclass(frozen=True, eq=False)
class Experiment:
    """Every way on the same test questions."""

    ways: Mapping[str, Way]
    questions: int
    fitted_on: int
    """Questions, in the mean over the folds."""
    unit: str
    notes: tuple[str, ...]
    """What the fits said of themselves."""


Split = tuple[Indices, Indices]


def folds(recorded: Recorded, count: int = FOLDS) -> list[Split]:
    """Grouped cross-validation: rows to fit on, complete rows to test on.

    Raises ConfigError where there are too few different questions.
    """
    if len(np.unique(recorded.groups)) < count:
        raise ConfigError(f"--folds {count}: there are fewer different questions to hold out.")
    complete = set(recorded.complete.tolist())
    splits = GroupKFold(count, shuffle=True, random_state=0).split(
        recorded.scores, groups=recorded.groups
    )
    return [(seen, np.array([r for r in unseen if r in complete])) for seen, unseen in splits]


def check(splits: Sequence[Split], test_on: Recorded) -> None:
    """Raise ConfigError where a split is too small, naming the models that were asked least."""
    if all(len(seen) >= FEWEST and len(unseen) for seen, unseen in splits):
        return
    asked = (~np.isnan(test_on.scores)).sum(axis=0)
    least = np.argsort(asked, kind="stable")[:NAMED]
    named = ", ".join(f"{test_on.models[model]} ({asked[model]})" for model in least)
    raise ConfigError(
        f"Fewer than {FEWEST} questions are left to fit on, or none to test on that every model of"
        " the pool was asked.",
        hint=f"Leave out with --pool who was asked least of {len(test_on.queries)}: {named}.",
    )


def run(
    fit_on: Recorded,
    test_on: Recorded,
    splits: Sequence[Split],
    vectors: tuple[Floats, Floats],
    encoder: str,
    doing: Callable[[str, int, int], None],
    keys: Mapping[str, Mapping[str, Any]] | None = None,
) -> Experiment:
    """Evaluate all routers; `splits` are rows of `fit_on` and of `test_on`.

    `vectors` are the questions' of both; `keys` further settings of routers by name.
    """
    collected: dict[str, _Collected] = {}
    notes: list[str] = []
    for number, (seen, unseen) in enumerate(splits):
        evidence = fit_on.training_set(seen, vectors[0], encoder)
        columns = np.array([test_on.models.index(name) for name in evidence.experts])
        part = _Part(test_on, unseen, columns)
        for name, scores in _controls(part, evidence).items():
            _add(collected, name, *scores)
        for place, name in enumerate(ROUTERS):
            done, steps = number * len(ROUTERS) + place, len(splits) * len(ROUTERS)
            doing(f"fitting {name}, part {number + 1} of {len(splits)}", done, steps)
            fitted = fit(name, evidence, (keys or {}).get(name, {}))
            if not fitted.trust:
                notes.append(f"{name}, part {number + 1}: routing does not pay; best single.")
            predicted = fitted.scores(vectors[1][unseen])
            _add(collected, name, *part.chosen(predicted.argmax(axis=1)), part.sweep(predicted))
    ways = {name: _way(one, len(test_on.models), name) for name, one in collected.items()}
    size = round(float(np.mean([len(seen) for seen, _ in splits])))
    return Experiment(ways, sum(len(t) for _, t in splits), size, test_on.unit, tuple(notes))


def fit(name: str, evidence: TrainingSet, keys: Mapping[str, Any]) -> Fitted:
    """Fit a router by the name of its type."""
    made: Any = router_class(name)
    config = made.Config.model_validate({"type": name, "outcomes": Path("recorded"), **keys})
    fitted: Fitted = made.fit(evidence, config)
    return fitted


class _Part:
    """The test questions of a split; columns are in the order of the evidence."""

    def __init__(self, recorded: Recorded, rows: Indices, columns: Indices) -> None:
        self.scores = recorded.scores[np.ix_(rows, columns)]
        self.prices = recorded.prices[np.ix_(rows, columns)]
        self.answers = recorded.answers[np.ix_(rows, columns)]
        self.categories = np.array([recorded.queries[row].task for row in rows])

    def chosen(self, experts: Indices) -> tuple[Floats, Floats]:
        """Scores and prices [T] of one expert for each question."""
        rows = np.arange(len(self.scores))
        return self.scores[rows, experts], self.prices[rows, experts]

    def sweep(self, predicted: Floats) -> Floats:
        """[weights, 2, T] scores and prices where price counts more and more."""
        dearest = max(float(self.prices.max()), 1e-12)
        found = [
            self.chosen((predicted - weight * self.prices / dearest).argmax(axis=1))
            for weight in WEIGHTS
        ]
        return np.array(found)

    def vote(self) -> tuple[Floats, Floats]:
        """Plurality of the parsed answers; ties go to the better expert's."""
        picks = [_plurality(list(answers)) for answers in self.answers]
        scores, _ = self.chosen(np.array(picks))
        return scores, self.prices.sum(axis=1)


def _controls(part: _Part, evidence: TrainingSet) -> dict[str, tuple[Floats, Floats]]:
    single = int(evidence.means.argmax())
    by_category = np.zeros(len(part.scores), dtype=np.intp)
    for category in np.unique(part.categories):
        rows = part.categories == category
        by_category[rows] = part.scores[rows].mean(axis=0).argmax()
    return {
        RANDOM: (part.scores.mean(axis=1), part.prices.mean(axis=1)),
        SINGLE: part.chosen(np.full(len(part.scores), single)),
        VOTE: part.vote(),
        CATEGORY: part.chosen(by_category),
        ORACLE: part.chosen(part.scores.argmax(axis=1)),
    }


def _plurality(answers: list[Any]) -> int:
    """The first expert that gave the most frequent answer; who said nothing has no vote."""
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return 0
    most = max(counts.values())
    return next(i for i, answer in enumerate(answers) if counts.get(answer) == most)


def _add(
    collected: dict[str, _Collected],
    name: str,
    scores: Floats,
    prices: Floats,
    swept: Floats | None = None,
) -> None:
    one = collected.setdefault(name, _Collected())
    one.scores.append(scores)
    one.prices.append(prices)
    if swept is not None:
        one.swept.append(swept)


def _way(one: _Collected, models: int, name: str) -> Way:
    scores, prices = np.concatenate(one.scores), np.concatenate(one.prices)
    curve: tuple[tuple[float, float], ...] = ()
    if one.swept:
        means = np.concatenate(one.swept, axis=2).mean(axis=2)  # [weights, 2]
        curve = tuple((float(price), float(score)) for score, price in means)
    return Way(scores, prices, models if name == VOTE else 1, curve)
