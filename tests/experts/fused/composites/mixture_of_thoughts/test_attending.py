"""Both forms of attention, checked by hand."""

from __future__ import annotations

import torch
from torch import tensor

from experts.fused.composites.mixture_of_thoughts.attending import (
    OverSequence,
    causal,
    positionwise,
)


def test_the_past_is_one_softmax_over_all_that_is_active() -> None:
    batch, length, experts, heads, size = 2, 5, 3, 2, 4
    torch.manual_seed(0)
    query = torch.randn(batch * length, heads, size)
    key = torch.randn(batch * length, experts, heads, size)
    value = torch.randn(batch * length, experts, heads, size - 1)
    active = torch.tensor([[True, False, True], [True, True, True]]).repeat_interleave(length, 0)
    first = torch.zeros(batch * length, dtype=torch.bool)
    first[[0, length]] = True
    attend = OverSequence(causal(batch, experts * heads), first)
    heard, shares = attend(query, key, value, active)
    assert torch.allclose(shares.sum(-1), torch.ones(batch * length))
    assert (shares[~active] == 0).all()
    key[first], value[first] = 0.0, 0.0
    for row in range(batch * length):
        begin = row // length * length
        past = key[begin : row + 1][:, active[row]]
        scores = torch.einsum("hs,tehs->hte", query[row], past) / size**0.5
        weights = scores.flatten(1).softmax(-1).view_as(scores)
        expected = torch.einsum("hte,tehv->hv", weights, value[begin : row + 1][:, active[row]])
        assert torch.allclose(heard[row], expected, atol=1e-5)
        own = weights.sum(1).mean(0)
        assert torch.allclose(shares[row][active[row]], own, atol=1e-5)


def test_one_expert_at_a_position_hears_itself() -> None:
    value = torch.randn(3, 2, 2, 4)
    only = tensor([[True, False]]).expand(3, 2)
    heard, shares = positionwise(torch.randn(3, 2, 4), torch.randn(3, 2, 2, 4), value, only)
    assert torch.equal(heard, value[:, 0])
    assert shares.tolist() == [[1, 0]] * 3
