"""A fitted router to and from its artifact: what is stored under which key, and what must match."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts.errors import ConfigError
from routers.fitted.artifact import Artifact
from routers.fitted.coverage import CoverageConfig, Thresholds
from routers.fitted.coverage_distance import CoverageDistance
from routers.fitted.cross_validation import RoutingGain
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.fitting import Fitted, trust_in
from routers.fitted.predictor import Predictor
from routers.fitted.training_set import TrainingSet, are
from routers.outcomes import Query

PREDICTOR = "predictor."
"""Before the names of the predictor's own arrays."""

CENTERS, WHITENING = "territory.centers", "territory.whitening"


def to_artifact(kind: str, fitted: Fitted, coverage: CoverageConfig | None) -> Artifact:
    """What is stored of a router of the configuration type `kind`."""
    training_set = fitted.training_set
    words = {
        "type": kind,
        "experts": training_set.experts,
        "encoder": training_set.encoder,
        "queries": [[q.id, q.task, q.text, list(q.skills)] for q in training_set.queries],
        "worth": fitted.routing_gain._asdict() if fitted.routing_gain else None,
        "coverage": _plain(coverage),
    }
    arrays: dict[str, NDArray[Any]] = {
        "vectors": training_set.vectors,
        "scores": training_set.scores,
        "limits": np.array(fitted.limits),
        **{PREDICTOR + key: array for key, array in fitted.predictor.arrays().items()},
    }
    if fitted.coverage_distance:
        arrays[CENTERS] = fitted.coverage_distance.centers
        arrays[WHITENING] = fitted.coverage_distance.whitening
    return Artifact(words, arrays)


def from_artifact(
    artifact: Artifact,
    kind: type[Predictor],
    config: Any,
    name: str,
    encoder: str,
    experts: Sequence[str],
) -> tuple[Fitted, tuple[str, ...]]:
    """What was fitted, and a warning of experts that only the file or only the pool knows.

    `config` are the keys of the router called `name`, `encoder` the name of the pool's encoder.
    Raises ConfigError where the file was made for something else or its parts do not fit.
    """
    where = f"routers.{name}.artifact: {config.artifact}"
    try:
        _check(artifact, config, where, name, encoder, experts)
        fitted = _read(artifact, kind, config)
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: its parts do not fit together ({error}).") from error
    known = fitted.training_set.experts
    absent = [expert for expert in known if expert not in experts]
    left = tuple(
        f"routers.{name}: of the experts that {config.artifact} knows, {found} not in this pool."
        for found in are(absent)
    )
    new = [expert for expert in experts if expert not in known]
    missing = tuple(
        f"routers.{name}: {found} never chosen, because {config.artifact} was fitted without"
        f" {'it' if len(new) == 1 else 'them'}; run `coterie router fit {name} --config FILE`."
        for found in are(new)
    )
    return fitted, (*left, *missing)


def _check(
    artifact: Artifact,
    config: FittedConfig,
    where: str,
    name: str,
    encoder: str,
    experts: Sequence[str],
) -> None:
    words = artifact.words
    check_made_for(words, config, where, name, experts)
    check_encoded_by(words, where, name, encoder)
    if words["coverage"] != _plain(config.coverage):
        raise ConfigError(
            f"{where} was fitted with other keys under `coverage`.",
            hint=f"`coterie router fit {name} --config FILE` calibrates it again.",
        )


def check_made_for(
    words: Mapping[str, Any], config: FittedConfig, where: str, name: str, experts: Sequence[str]
) -> None:
    """Raise ConfigError where an artifact is of another kind of router, or of another pool's."""
    kind = getattr(config, "type", "")
    if words["type"] != kind:
        raise ConfigError(f"{where} is a router of type {words['type']}, not {kind}.")
    if not set(words["experts"]) & set(experts):
        raise ConfigError(
            f"{where} was fitted for other experts: {', '.join(words['experts'])}.",
            hint=f"`coterie router fit {name} --config FILE` writes one for these.",
        )


def check_encoded_by(words: Mapping[str, Any], where: str, name: str, encoder: str) -> None:
    """Raise ConfigError where an artifact was fitted on another encoder's vectors."""
    if words["encoder"] != encoder:
        raise ConfigError(
            f"{where} was fitted on the vectors of {words['encoder']}, not of {encoder}.",
            hint=f"Correct `encoder`, or run `coterie router fit {name} --config FILE`.",
        )


def _read(artifact: Artifact, kind: type[Predictor], config: FittedConfig) -> Fitted:
    words, arrays = artifact.words, artifact.arrays
    training_set = TrainingSet(
        tuple(Query(id, task, text, tuple(skills)) for id, task, text, skills in words["queries"]),
        tuple(words["experts"]),
        arrays["vectors"],
        arrays["scores"],
        words["encoder"],
    )
    stored = {k.removeprefix(PREDICTOR): a for k, a in arrays.items() if k.startswith(PREDICTOR)}
    gain = RoutingGain(**words["worth"]) if words["worth"] else None
    coverage_distance = None
    if config.coverage and "distance" in config.coverage.tests:
        coverage_distance = CoverageDistance(arrays[CENTERS], arrays[WHITENING])
    return Fitted(
        training_set,
        kind.load(stored, training_set, config),
        gain,
        Thresholds(*map(float, arrays["limits"])),
        trust_in(config, gain),
        coverage_distance,
    )


def _plain(coverage: CoverageConfig | None) -> dict[str, Any] | None:
    return None if coverage is None else coverage.model_dump(mode="json")
