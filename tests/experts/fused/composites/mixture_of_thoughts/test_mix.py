"""What a client reads about the attention."""

from __future__ import annotations

import math

import torch
from torch import tensor

from experts.fused.composites.mixture_of_thoughts.listening import listened
from experts.fused.composites.mixture_of_thoughts.mix import tell_attention


def test_attention_reaches_a_client() -> None:
    role_tokens = tensor([3, 5, 6, 7, 9])
    logits = torch.randn(2, 12).index_fill(-1, role_tokens, -math.inf)
    before = logits.log_softmax(-1)
    shares = tensor([[0.25, 0.75, 0.0, 1.0], [1.0, 0.0, 0.5, 0.5]])
    told = tell_attention(logits, shares, role_tokens).log_softmax(-1)
    marks = told[:, role_tokens[:4]].tolist()
    assert [listened(row, 2) for row in marks] == [
        [[0.25, 0.75], [0.0, 1.0]],
        [[1.0, 0.0], [0.5, 0.5]],
    ]
    # Too few role tokens: whole layers only.
    assert listened(marks[0][:3], 2) == [[0.25, 0.75]]
    words = [token for token in range(12) if token not in role_tokens.tolist()]
    assert torch.allclose(told[:, words], before[:, words], atol=1e-6)
