"""What is trained is what is served."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from aggregators.mixture_of_thoughts.exchange import exchange
from aggregators.mixture_of_thoughts.query_router import (
    Choice,
)
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Form,
    OverSequence,
    causal,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, Seats


@pytest.mark.parametrize("form", ["positionwise", "sequence"])
def test_training_computes_what_is_served(form: Form) -> None:
    torch.manual_seed(0)
    batch, length, widths = 4, 3, (6, 4, 6)
    layer = Interaction(widths, shared=8, heads=2, form=form)
    for gates in (layer.primary_gate, layer.peer_gate):
        gates.data.normal_()
    active = tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 1]]).bool()
    primary = tensor([0, 2, 2, 2])
    choice = Choice(active, primary, active.float())
    whole = [torch.randn(batch, length, width) for width in widths]
    first = torch.zeros(batch, length, dtype=torch.bool)
    first[:, 0] = True

    def attend(experts: int) -> Attend:
        past = OverSequence(causal(batch, 2 * experts), first.flatten())
        return positionwise if form == "positionwise" else past

    served = layer(
        [one.flatten(0, 1) for one in whole],
        Seats.of(active.repeat_interleave(length, 0), primary.repeat_interleave(length, 0)),
        attend(3),
    )
    rows = [active[:, m].nonzero()[:, 0] for m in range(3)]
    own = [one[row] for one, row in zip(whole, rows, strict=True)]
    deltas, shares = exchange(layer, own, rows, choice, attend(2))
    assert torch.allclose(shares.flatten(0, 1), served.attention, atol=1e-6)
    for delta, row, expected in zip(deltas, rows, served.deltas, strict=True):
        assert torch.allclose(delta, expected.view(batch, length, -1)[row], atol=1e-5)
