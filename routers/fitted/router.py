"""What all routers share that are fitted from outcomes; each adds how it predicts a score.

A fitted router predicts every expert's score from a question's vector, believes its predictions
as far as they have paid on held-out questions, and raises an alarm where a question is unlike
what it has seen.
"""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from experts.errors import ConfigError
from experts.types import Request
from routers.base import Decision, Encoder, RouterConfig
from routers.fitted.artifact import Artifact
from routers.fitted.coverage import Alarm, CoverageConfig, Thresholds, alarms, calibrate, fallback
from routers.fitted.coverage_distance import Territory
from routers.fitted.cross_validation import Worth, held_out, trusted, worth
from routers.fitted.explanation import Record, reason, record, shown_neighbours, summary
from routers.fitted.neighbours import Near, find
from routers.fitted.predictor import Look, Predictor
from routers.fitted.training_set import Evidence, Floats, Indices, read_evidence
from routers.outcomes import Query

EXPLAINED = 16
"""Nearest questions that an explanation counts, where a router does not go by neighbours itself."""


class FittedConfig(RouterConfig):
    """The keys that all fitted routers share."""

    outcomes: Path | None = Field(
        None, description="The outcome table that `coterie profile` has written."
    )
    artifact: Path | None = Field(
        None,
        description="The file that `coterie router fit` has written from `outcomes`; null: the"
        " router is fitted when the service starts.",
    )
    trust: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How far predictions may move away from an expert's overall mean, from 0"
        " (not at all) to 1 (fully); null: as far as it pays on held-out questions.",
    )
    coverage: CoverageConfig | None = Field(
        None,
        description="What to do about requests that are unlike every training question; null:"
        " nothing.",
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.outcomes is None and self.artifact is None:
            raise ValueError("one of the keys `outcomes` and `artifact` is required")
        return self

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The general expert must be in the pool."""
        general = self.coverage.general if self.coverage else None
        if general is None or general in experts:
            return ()
        known = ", ".join(experts)
        return (f"coverage.general: no expert is called `{general}` (known: {known}).",)


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that was learned."""

    evidence: Evidence
    predictor: Predictor
    worth: Worth | None
    """None where there were too few questions to hold any out."""
    limits: Thresholds
    trust: float
    """How far predictions are followed, 0..1."""
    territory: Territory | None
    """None where there is no coverage guard that looks at distances."""

    def scores(self, vectors: Floats) -> Floats:
        """Predicted qualities [B, M] of the experts of the evidence, as far as they are trusted."""
        return self.trusted(self.predictor.predict(vectors))

    def trusted(self, predicted: Floats) -> Floats:
        """Predictions [B, M] as far as they are trusted, in 0..1."""
        return trusted(predicted, self.predictor.means, self.trust)


class FittedRouter(ABC):
    """A router over a `Predictor`. A subclass names its `Config` and its `predictor`.

    The constructor reads `artifact`, or fits from `outcomes`; it raises ConfigError where the file
    is wrong, knows none of the experts, or was made with another encoder. `warnings` holds a
    sentence for everything that is weaker than it looks.
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
            fitted, warnings = self._load(config, experts)
        else:
            where = f"routers.{name}.outcomes"
            evidence, warnings = read_evidence(config.outcomes, experts, self._encoder, where)
            fitted = self.fit(evidence, config)
        self.fitted = fitted
        known = fitted.evidence.experts
        # An artifact may know experts that are about to come, or have left.
        self.here = np.array([n for n, expert in enumerate(known) if expert in experts])
        self.warnings = (*warnings, *self._doubts())
        # The first request shall not wait for the encoder.
        self._encoder.encode([fitted.evidence.queries[0].text])

    @classmethod
    def fit(cls, evidence: Evidence, config: Any) -> Fitted:
        """Fit on all questions, and on parts of them to see what it is worth on the others."""

        def part(seen: Evidence) -> Predictor:
            return cls.predictor.fit(seen, config)

        found = held_out(evidence, part)
        predictor = cls.predictor.fit(evidence, config)
        value = worth(evidence, found)
        trust, limits, territory = _trust(config, value), Thresholds(), None
        if config.coverage:
            limits = calibrate(evidence, found.as_trusted(trust), config.coverage)
            if "distance" in config.coverage.tests:
                territory = Territory.of(evidence)
        return Fitted(evidence, predictor, value, limits, trust, territory)

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        """One decision per request; blocks for some milliseconds of CPU per request."""
        vectors = self._encoder.encode([request.query for request in requests])
        return self._decide(vectors, self.fitted.predictor.look(vectors))

    def save(self, path: Path) -> None:
        """Write what was fitted as an artifact."""
        evidence, fitted = self.fitted.evidence, self.fitted
        words = {
            "type": self._config.type,
            "experts": evidence.experts,
            "encoder": evidence.encoder,
            "queries": [[q.id, q.task, q.text, list(q.skills)] for q in evidence.queries],
            "worth": fitted.worth._asdict() if fitted.worth else None,
            "coverage": _words(self._config.coverage),
        }
        arrays: dict[str, NDArray[Any]] = {
            "vectors": evidence.vectors,
            "scores": evidence.scores,
            "limits": np.array(fitted.limits),
            **{f"predictor.{key}": array for key, array in fitted.predictor.arrays().items()},
        }
        if fitted.territory:
            arrays["territory.centers"] = fitted.territory.centers
            arrays["territory.whitening"] = fitted.territory.whitening
        Artifact(words, arrays).write(path)

    def _load(self, config: Any, experts: Sequence[str]) -> tuple[Fitted, tuple[str, ...]]:
        where = f"routers.{self.name}.artifact: {config.artifact}"
        artifact = Artifact.read(config.artifact)
        words, arrays = artifact.words, artifact.arrays
        try:
            if words["type"] != config.type:
                raise ConfigError(f"{where} is a router of type {words['type']}.")
            if words["encoder"] != self._encoder.name:
                raise ConfigError(
                    f"{where} was fitted on the vectors of {words['encoder']}, not of"
                    f" {self._encoder.name}."
                )
            if words["coverage"] != _words(config.coverage):
                raise ConfigError(
                    f"{where} was fitted with other keys under `coverage`.",
                    hint=f"`coterie router fit {self.name} --config FILE` calibrates it anew.",
                )
            if not set(words["experts"]) & set(experts):
                raise ConfigError(
                    f"{where} was fitted for other experts: {', '.join(words['experts'])}.",
                    hint=f"`coterie router fit {self.name} --config FILE` writes one for these.",
                )
            evidence = Evidence(
                tuple(
                    Query(id, task, text, tuple(skills))
                    for id, task, text, skills in words["queries"]
                ),
                tuple(words["experts"]),
                arrays["vectors"],
                arrays["scores"],
                words["encoder"],
            )
            inner = "predictor."
            stored = {k.removeprefix(inner): a for k, a in arrays.items() if k.startswith(inner)}
            value = Worth(**words["worth"]) if words["worth"] else None
            territory = None
            if config.coverage and "distance" in config.coverage.tests:
                parts = (arrays["territory.centers"], arrays["territory.whitening"])
                territory = Territory(*parts)
            fitted = Fitted(
                evidence,
                self.predictor.load(stored, evidence, config),
                value,
                Thresholds(*map(float, arrays["limits"])),
                _trust(config, value),
                territory,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f"{where}: its parts do not fit ({error}).") from error
        strangers = tuple(
            f"routers.{self.name}: {expert}, which {config.artifact} knows, is not in this pool."
            for expert in evidence.experts
            if expert not in experts
        )
        missing = tuple(
            f"routers.{self.name}: {expert} is never chosen, because {config.artifact} was fitted"
            f" without it; run `coterie router fit {self.name} --config FILE`."
            for expert in experts
            if expert not in evidence.experts
        )
        return fitted, (*strangers, *missing)

    def _doubts(self) -> tuple[str, ...]:
        found = self.fitted.worth
        if self.fitted.trust or found is None:
            return ()
        return (f"routers.{self.name}: {self._not_worth_it()}",)

    def _not_worth_it(self) -> str:
        best = self.fitted.evidence.experts[int(self.here[0])]
        return (
            "routing brings nothing that is sure on held-out questions of these outcomes, so that"
            f" {best}, the best single expert, answers everything."
        )

    def _decide(self, vectors: Floats, look: Look) -> list[Decision]:
        """One decision for each of the vectors [B, dimension], from what is thought of them."""
        fitted = self.fitted
        scores = fitted.trusted(look.scores)
        near = look.near or find(fitted.evidence.vectors, vectors, EXPLAINED)
        orders = self.here[np.argsort(-scores[:, self.here], axis=1, kind="stable")]
        fired = self._alarms(vectors, scores[:, self.here], look.entropy)
        found = record(fitted.evidence, near)
        words = look.words or [{}] * len(vectors)
        return [
            self._decision(
                scores[row], orders[row], near.of(row), found.of(row), fired[row], words[row]
            )
            for row in range(len(vectors))
        ]

    def _decision(
        self,
        scores: Floats,
        order: Indices,
        near: Near,
        found: Record,
        fired: Sequence[Alarm],
        words: Mapping[str, Any],
    ) -> Decision:
        """One request's, from its scores [M] and who is best of them, in this order."""
        evidence = self.fitted.evidence
        ranked = [(evidence.experts[column], float(scores[column])) for column in order]
        said = reason(evidence, near, found, int(order[0]))
        if not self.fitted.trust and self.fitted.worth is not None:
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
                "neighbours": shown_neighbours(evidence, near),
                **summary(evidence, near, found, order),
                **words,
            },
            fallback=action,
            general=self._config.coverage.general if action else None,
            message=self._config.coverage.message if action else "",
        )

    def _alarms(self, vectors: Floats, scores: Floats, entropy: Floats | None) -> list[list[Alarm]]:
        fitted = self.fitted
        nowhere = np.zeros(len(vectors))
        distances = fitted.territory.distance(vectors) if fitted.territory else nowhere
        return alarms(fitted.limits, distances, scores, entropy)


def _trust(config: FittedConfig, found: Worth | None) -> float:
    if config.trust is not None:
        return config.trust
    return 1.0 if found is None else found.trust


def _words(coverage: CoverageConfig | None) -> dict[str, Any] | None:
    return None if coverage is None else coverage.model_dump(mode="json")
