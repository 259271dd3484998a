"""Who is measured: models with sizes, and questions that everybody was asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evals.benchmarks.composition.evidence import Evidence, of_table, recorded_settings, sized
from evals.runs.recorded import read_recorded
from experts.errors import ConfigError


def test_who_has_no_size_is_left_out_and_named(evidence: Evidence) -> None:
    assert sorted(evidence.training_set.experts) == ["cities", "large", "sums"]
    assert evidence.left_out == ("odd: models.csv has no size",)
    sizes = dict(zip(evidence.training_set.experts, evidence.total, strict=True))
    active = dict(zip(evidence.training_set.experts, evidence.active, strict=True))
    assert (sizes["cities"], active["cities"]) == (6.0, 3.0)


def test_who_was_not_asked_everything_is_left_out_and_named(prefix: str) -> None:
    recorded = read_recorded(prefix, ())
    scores = recorded.scores.copy()
    scores[0, recorded.models.index("large")] = np.nan
    _, left_out = sized(replace(recorded, scores=scores), ())
    assert "large: asked 239 of 240 questions" in left_out


def test_a_named_model_without_a_size_is_an_error(prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"odd: models\.csv has no size"):
        sized(read_recorded(prefix, ["sums", "odd"]), ["sums", "odd"])


def test_one_model_is_no_pool(prefix: str) -> None:
    with pytest.raises(ConfigError, match="Fewer than two"):
        sized(read_recorded(prefix, ["sums"]), ["sums"])


def test_equal_questions_are_never_on_both_sides(evidence: Evidence) -> None:
    for seen, unseen in evidence.splits(3):
        assert not set(evidence.groups[seen]) & set(evidence.groups[unseen])


def test_only_what_everybody_was_asked_is_tested_on(evidence: Evidence) -> None:
    scores = evidence.training_set.scores.copy()
    scores[7, 0] = np.nan
    some = replace(evidence, training_set=replace(evidence.training_set, scores=scores))
    tested = np.concatenate([unseen for _, unseen in some.splits(3)])
    assert sorted(tested.tolist()) == [n for n in range(len(scores)) if n != 7]


def test_too_few_questions_are_an_error(evidence: Evidence) -> None:
    few = replace(
        evidence,
        training_set=evidence.training_set.take(np.arange(12)),
        groups=evidence.groups[:12],
    )
    with pytest.raises(ConfigError, match="left to fit on"):
        few.splits(2)
    with pytest.raises(ConfigError, match="fewer than 7 different questions"):
        few.splits(7)


def test_sizes_of_some_experts_only_are_an_error(evidence: Evidence) -> None:
    keys = recorded_settings("knn").model_copy(update={"sizes": {"sums": 4.0}})
    with pytest.raises(ConfigError, match="must have one, too"):
        of_table(evidence.training_set, keys)


def test_a_classifier_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no classifier nearest"):
        recorded_settings("nearest")
