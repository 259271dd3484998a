"""Rows that are too long are refused, or counted and left out."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase

from experts.errors import ConfigError
from experts.zoo.tokenizer import SHARED, build
from routers.fusion_route.data import load_data
from routers.fusion_route.training_config import TrainingConfig


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return build(SHARED)


def test_long_rows_are_refused_or_counted(
    tiny_run: TrainingConfig, tokenizer: PreTrainedTokenizerBase
) -> None:
    told: list[str] = []
    # Rows have 13 or 14 tokens, those about 10 and 11 one or two more.
    with pytest.raises(ConfigError, match=r"questions: 2 of 12 rows .* 14 tokens") as caught:
        load_data(tiny_run, tokenizer, 14, told.append)
    assert "too_long: skip" in caught.value.hint
    skipping = tiny_run.model_copy(
        update={"too_long": "skip", "mixed": tiny_run.mixed.model_copy(update={"pairs": 0})}
    )
    data = load_data(skipping, tokenizer, 14, told.append)
    assert len(data.questions) == 10
    assert told == ["questions: 2 of 12 rows have more than 14 tokens and are left out"]
    with pytest.raises(ConfigError, match="12 of 12 rows"):
        load_data(skipping, tokenizer, 5, told.append)
