"""Six near-equal real models, recorded: what is chosen for three calls beats the best of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evals.compose import candidates
from evals.compose.answers.embedding import embedded
from evals.compose.answers.from_recorded import from_recorded
from evals.compose.bounds import Bounds
from evals.compose.composition import Order
from evals.compose.experiment import Settings, compose
from evals.compose.predictions import Embedded
from evals.runs.recorded import read_recorded
from routers.features import MiniLMEncoder

BESIDE = Path(__file__).parents[4] / "shared" / "data" / "outcomes"
PREFIX = Path(os.environ.get("COTERIE_OUTCOMES", BESIDE)) / "mmlu_pro"
POOL = (
    "Phi-3-mini-4k-instruct",
    "Mixtral-8x7B-Instruct-v0.1",
    "Yi-34B",
    "mathstral-7B",
    "Meta-Llama-3_1-8B-Instruct",
    "c4ai-command-r-v01",
)
QUESTIONS = 400


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not PREFIX.with_name("mmlu_pro_outcomes.parquet").exists(),
    reason=f"{PREFIX}_outcomes.parquet is not there (COTERIE_OUTCOMES names its folder)",
)
def test_three_calls_beat_the_best_single(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "ROUTERS", (Order("clusters"), Order("kernel")))
    whole = from_recorded(read_recorded(str(PREFIX), POOL))
    rows = np.random.default_rng(0).permutation(len(whole.queries))[:QUESTIONS]
    matrix = whole.take(rows)
    texts = [query.text for query in matrix.queries]
    encoder = MiniLMEncoder(cache_size=0)
    vectors = embedded(texts, encoder, None, lambda *words: None)
    known = Embedded(matrix, vectors, encoder.name)
    settings = Settings(Bounds(calls=3), lambda one: one.price)
    result = compose(known, settings, lambda *words: None)
    assert result.overall_gain.low > 0
    assert result.overall_calls < 3.2
    assert whole.answer == "choice"
