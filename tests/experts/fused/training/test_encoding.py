"""Rows follow the chat template."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase

from experts.fused.training.encoding import Encoder
from experts.fused.training.questions import Question
from experts.zoo.tokenizer import SHARED, build


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return build(SHARED)


def test_rows_follow_the_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    plain = Question(prompt="What is 1 + 1?", answer="2")
    turns = Question.model_validate(
        {"messages": [{"role": "user", "content": "What is 1 + 1?"}], "answer": "2"}
    )
    encoder = Encoder(tokenizer, 64)
    first, second = encoder.rows([plain, turns], ["2", "2"])
    assert first == second
    assert tokenizer.decode(first.tokens) == "<|bos|><|user|>What is 1 + 1?<|assistant|>2<|eos|>"
    assert tokenizer.decode(first.tokens[first.prompt :]) == "2<|eos|>"
    assert first.answer == 2
