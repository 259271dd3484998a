"""Fit a predictor, how far to trust it, and the coverage guard, all from one training set."""

from dataclasses import dataclass
from functools import cached_property

from routers.fitted.coverage import Thresholds, calibrate
from routers.fitted.coverage_distance import CoverageDistance
from routers.fitted.cross_validation import RoutingGain, held_out, routing_gain, trusted
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.predictor import Predictor
from routers.fitted.support import Support
from routers.fitted.training_set import Floats, TrainingSet


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything that was learned from a training set of N questions and M experts."""

    training_set: TrainingSet
    predictor: Predictor
    routing_gain: RoutingGain | None
    """None where there were too few questions to hold any out."""
    limits: Thresholds
    trust: float
    """How far predictions are followed, 0..1."""
    coverage_distance: CoverageDistance | None
    """None unless the coverage guard looks at distances."""

    @cached_property
    def support(self) -> Support:
        """How near each expert's evidence is to a question."""
        return Support.of(self.training_set.vectors, self.training_set.scores)

    def scores(self, vectors: Floats) -> Floats:
        """Predicted qualities [B, M] of vectors [B, dimension], as far as they are trusted."""
        return self.trusted(self.predictor.predict(vectors), self.support.at(vectors))

    def trusted(self, predicted: Floats, support: Floats) -> Floats:
        """Predictions [B, M] as far as they are trusted and supported, in 0..1."""
        return trusted(predicted, self.predictor.means, self.trust, support)


def fit(kind: type[Predictor], training_set: TrainingSet, config: FittedConfig) -> Fitted:
    """Fit a predictor on all questions, and on parts of them to measure what it gains on the rest.

    The trust and the thresholds of the coverage guard come from the held-out predictions.
    """

    def part(seen: TrainingSet) -> Predictor:
        return kind.fit(seen, config)

    found = held_out(training_set, part)
    predictor = kind.fit(training_set, config)
    gain = routing_gain(training_set, found)
    trust, limits, coverage_distance = trust_in(config, gain), Thresholds(), None
    if config.coverage:
        limits = calibrate(training_set, found.as_trusted(trust), config.coverage)
        if "distance" in config.coverage.tests:
            coverage_distance = CoverageDistance.of(training_set)
    return Fitted(training_set, predictor, gain, limits, trust, coverage_distance)


def trust_in(config: FittedConfig, gain: RoutingGain | None) -> float:
    """How far predictions are followed: as configured, else as far as it pays, else wholly."""
    if config.trust is not None:
        return config.trust
    return 1.0 if gain is None else gain.trust
