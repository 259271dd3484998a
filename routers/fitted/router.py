"""The frame of all routers that are fitted from outcomes; each adds how it predicts a score.

A fitted router predicts every expert's score from a question's vector, follows its predictions as
far as that has paid on held-out questions, and raises an alarm where a question is unlike what it
has seen. The shortest example is `routers/knn.py`.
"""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from experts.types import Request
from routers.base import Decision, Encoder
from routers.fitted.artifact import Artifact
from routers.fitted.coverage import Alarm, alarms, fallback
from routers.fitted.explanation import (
    Basis,
    Record,
    reason,
    record,
    shown_neighbours,
    summary,
)
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.fitting import Fitted, fit
from routers.fitted.neighbours import Neighbours, find_neighbours
from routers.fitted.predictor import Prediction, Predictor
from routers.fitted.saved_router import from_artifact, to_artifact
from routers.fitted.training_set import Floats, Indices, TrainingSet, read_training_set
from routers.reading import Read, read, told

EXPLAINED = 16
"""Nearest questions that an explanation counts, where a router does not go by neighbours itself."""


class FittedRouter(ABC):
    """A router over a `Predictor`; a subclass names its `Config` and its `predictor`.

    The constructor reads `artifact`, or fits from `outcomes`. It raises ConfigError where the file
    is wrong, knows none of the experts, or was made with another encoder. `warnings` holds a
    sentence about the experts that are never chosen, and one where routing does not pay.
    """

    Config: ClassVar[type[FittedConfig]]
    predictor: ClassVar[type[Predictor]]

    def __init__(
        self,
        name: str,
        config: Any,
        experts: Sequence[str],
        encoder: Callable[[], Encoder],
    ) -> None:
        self.name = name
        self._config = config
        self._encoder = encoder()
        if config.artifact is not None:
            fitted, warnings = from_artifact(
                Artifact.read(config.artifact),
                self.predictor,
                config,
                name,
                self._encoder.name,
                experts,
            )
        else:
            where = f"routers.{name}.outcomes"
            training_set, warnings = read_training_set(
                config.outcomes, experts, self._encoder, where, config.tasks
            )
            fitted = self.fit(training_set, config)
        self.fitted = fitted
        known = fitted.training_set.experts
        # An artifact may know experts that are about to come, or have left.
        self.here = np.array([n for n, expert in enumerate(known) if expert in experts])
        self.warnings = (*warnings, *self._warnings())
        # Loads the encoder now, so that the first request need not wait for it.
        self._encoder.encode([fitted.training_set.queries[0].text])

    @classmethod
    def fit(cls, training_set: TrainingSet, config: Any) -> Fitted:
        """Fit on all questions, and on parts of them to measure what that gains on the others."""
        return fit(cls.predictor, training_set, config)

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request; blocks for some milliseconds of CPU per request."""
        found = self.read(requests)
        predicted = self.fitted.predictor.predict_detailed(found.vectors)
        return told(found, self._decide(found.vectors, predicted))

    def read(self, requests: Sequence[Request]) -> Read:
        """What is read of the requests, and the vectors that are decided by."""
        return read(
            requests,
            self._encoder,
            self._similarity,
            self._config.earlier_turns,
            self._config.long_text_tokens,
        )

    def _similarity(self, vectors: Floats) -> Floats:
        """[B] how similar each is to the nearest training question."""
        return find_neighbours(self.fitted.training_set.vectors, vectors, 1).similarities[:, 0]

    def save(self, path: Path) -> None:
        """Write what was fitted as an artifact; replaces the file in one step."""
        to_artifact(self._config.type, self.fitted, self._config.coverage).write(path)

    def _warnings(self) -> tuple[str, ...]:
        return (f"routers.{self.name}: {self._not_worth_it()}",) if self._follows_means else ()

    @property
    def _follows_means(self) -> bool:
        """Whether predictions are not followed, because that has not paid."""
        return not self.fitted.trust and self.fitted.routing_gain is not None

    def _not_worth_it(self) -> str:
        best = self.fitted.training_set.experts[int(self.here[0])]
        return (
            "routing brings no certain gain on held-out questions of these outcomes, so"
            f" {best}, the best single expert, answers everything."
        )

    def _decide(self, vectors: Floats, predicted: Prediction) -> list[Decision]:
        """One decision for each of the vectors [B, dimension], from what is predicted for them."""
        fitted = self.fitted
        support = fitted.support.at(vectors)
        scores = fitted.trusted(predicted.scores, support)
        near = predicted.neighbours or find_neighbours(
            fitted.training_set.vectors, vectors, EXPLAINED
        )
        # Of equal scores the one with evidence; then the columns' order, the better mean first.
        ranks = np.lexsort((-support[:, self.here], -scores[:, self.here]), axis=1)
        orders = self.here[ranks]
        fired = self._alarms(vectors, scores[:, self.here], predicted.entropy)
        weights = predicted.weights
        found = record(fitted.training_set, near, weights)
        details = predicted.details or [{}] * len(vectors)
        bases = [
            Basis(scores[row], support[row], fitted.trust, weights is not None)
            for row in range(len(vectors))
        ]
        return [
            self._decision(
                bases[row], orders[row], near.of(row), found.of(row), fired[row], details[row]
            )
            for row in range(len(vectors))
        ]

    def _decision(
        self,
        basis: Basis,
        order: Indices,
        near: Neighbours,
        found: Record,
        fired: Sequence[Alarm],
        details: Mapping[str, Any],
    ) -> Decision:
        """The decision on one request, from its scores [M] and the experts' order, best first."""
        training_set = self.fitted.training_set
        ranked = [(training_set.experts[column], float(basis.scores[column])) for column in order]
        said = reason(training_set, near, found, basis, int(order[0]))
        if self._follows_means and int(order[0]) == int(self.here[0]):
            sentence = self._not_worth_it()
            said = f"{sentence[0].upper()}{sentence[1:]}"
        action = None
        if fired:
            names, action = fallback([name for name, _ in ranked], self._config.coverage)
            by_name = dict(ranked)
            ranked = [(name, by_name.get(name, 0.0)) for name in names]
            said = " ".join([*(alarm.sentence() for alarm in fired), said])
        return Decision(
            router=self.name,
            scores=tuple(ranked),
            reason=said,
            evidence={
                "neighbours": shown_neighbours(training_set, near),
                **summary(training_set, near, found, basis, order),
                **details,
            },
            fallback=action,
            general=self._config.coverage.general if action else None,
            message=self._config.coverage.message if action else "",
        )

    def _alarms(self, vectors: Floats, scores: Floats, entropy: Floats | None) -> list[list[Alarm]]:
        fitted = self.fitted
        nowhere = np.zeros(len(vectors))
        distances = (
            fitted.coverage_distance.distance(vectors) if fitted.coverage_distance else nowhere
        )
        return alarms(fitted.limits, distances, scores, entropy)
