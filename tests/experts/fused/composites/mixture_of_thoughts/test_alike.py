"""Steps whose rows are alike give what mixed ones give."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from experts.fused.composites.mixture_of_thoughts.alike import Alike
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Form,
    OverSequence,
    causal,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, Seats


@torch.no_grad()
@pytest.mark.parametrize("form", ["positionwise", "sequence"])
@pytest.mark.parametrize("present", [None, (0, 2)])
def test_rows_that_are_alike_are_told_what_each_is_told_in_a_mixed_batch(
    present: tuple[int, ...] | None, form: Form
) -> None:
    torch.manual_seed(0)
    layer = Interaction([6, 4, 6], shared=8, heads=2, form=form)
    for parameter in layer.parameters():
        parameter.data.normal_()
    streams = [torch.randn(4, width) for width in (6, 4, 6)]
    active = torch.ones(4, 3, dtype=torch.bool)
    if present:
        active[:3, 1] = False
    primary = tensor([2, 2, 2, 0])
    first = tensor([True, False, False, True])

    def attend(rows: int, experts: int) -> Attend:
        over = OverSequence(causal(1, 2 * experts), first[:rows])
        return over if form == "sequence" else positionwise

    mixed = layer(streams, Seats.of(active, primary), attend(4, 3))
    seats = Seats.of(active[:3], primary[:3], present)
    assert Seats.of(active, primary).leader is None
    assert seats.leader == (1 if present else 2)
    alike = Alike(layer)([one[:3] for one in streams], seats, attend(3, len(seats.numbers)))
    assert torch.allclose(alike.attention, mixed.attention[:3], atol=1e-5)
    for one, other in zip(alike.deltas, mixed.deltas, strict=True):
        assert torch.allclose(one, other[:3], atol=1e-4)
