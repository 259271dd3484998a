"""One interaction layer: who attends to whom, checked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, Seats, cut


@given(st.integers(0, 80), st.integers(1, 16))
def test_cuts_cover_every_layer_once(layers: int, stacks: int) -> None:
    bounds = cut(layers, stacks)
    assert [layer for begin, end in bounds for layer in range(begin, end)] == list(range(layers))
    sizes = [end - begin for begin, end in bounds]
    assert len(bounds) == stacks
    assert max(sizes) - min(sizes) <= 1


def test_the_primary_attends_over_the_active_only() -> None:
    torch.manual_seed(0)
    layer = Interaction([6, 4, 6], shared=8, heads=2)
    layer.primary_gate.data.fill_(1.0)
    layer.peer_gate.data.fill_(1.0)
    streams = [torch.randn(3, width) for width in (6, 4, 6)]
    active = tensor([[True, True, False], [False, True, True], [True, True, True]])
    primary = tensor([0, 2, 1])
    exchange = layer(streams, Seats.of(active, primary))
    assert torch.allclose(exchange.attention.sum(-1), torch.ones(3))
    assert (exchange.attention[~active] == 0).all()
    assert (exchange.deltas[2][0] == 0).all()
    assert (exchange.deltas[0][1] == 0).all()
    assert all(delta.abs().sum() > 0 for delta in exchange.deltas)
    # What an idle expert holds has no effect.
    changed = [streams[0], streams[1], streams[2].clone()]
    changed[2][0] = 100.0
    again = layer(changed, Seats.of(active, primary))
    assert torch.equal(again.deltas[0][0], exchange.deltas[0][0])
    # By hand, for the first row.
    u = torch.stack([layer.down[m](layer.norms[m](streams[m][0])) for m in range(2)])
    q, k, v = (part(u).view(2, 2, 4) for part in (layer.query, layer.key, layer.value))
    shares = (torch.einsum("hs,ehs->he", q[0], k) / 2).softmax(-1)
    heard = torch.einsum("he,ehs->hs", shares, v).flatten()
    found = layer.out_norm(layer.out(heard) + u[0])
    assert torch.allclose(exchange.deltas[0][0], layer.up_norms[0](layer.up[0](found)), atol=1e-5)
    assert torch.allclose(exchange.deltas[1][0], layer.up[1](layer.peer(u[1])), atol=1e-5)


def test_heads_must_fit() -> None:
    with pytest.raises(ValueError, match="shared width of 8 cannot be split into 3 heads"):
        Interaction([6], shared=8, heads=3)
