"""The losses, checked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor

from aggregators.mixture_of_thoughts.losses import (
    disagreement,
    entropy,
    gumbel,
    imbalance,
    likeness,
    preference,
)


def test_losses_by_hand() -> None:
    assert entropy(torch.zeros(2, 4).log_softmax(-1)).item() == pytest.approx(math.log(4))
    assert entropy(tensor([[0.0, -math.inf]])).item() == 0
    assert imbalance(tensor([[1.0, 0.0], [0.0, 1.0]])).item() == 0
    assert imbalance(tensor([[1.0, 0.0], [1.0, 0.0]])).item() == pytest.approx(1)
    one, other = tensor([[0.9, 0.1]]).log(), tensor([[0.5, 0.5]]).log()
    expected = 0.5 * (0.4 * math.log(1.8) - 0.4 * math.log(0.2))
    assert disagreement(one, other, 1.0).item() == pytest.approx(expected)
    assert disagreement(one, one, 2.0).item() == 0


def test_noise_draws_from_the_softmax() -> None:
    scores = tensor([0.0, 1.0, 2.0]).expand(20000, 3)
    drawn = gumbel(scores, generator=torch.Generator().manual_seed(0)).argmax(-1)
    shares = torch.bincount(drawn).float() / 20000
    assert torch.allclose(shares, scores[0].softmax(-1), atol=0.015)


def test_a_router_is_taught_who_is_cheaper_even_where_it_is_sure() -> None:
    scores = tensor([[50.0, 0.0, 0.0]], requires_grad=True)
    costs, speak = tensor([[2.0, 1.0, 0.0]]), tensor([True, True, False])
    loss = likeness(scores, costs, speak, 0.5)
    wanted = tensor([-4.0, -2.0]).softmax(-1)
    assert loss.item() == pytest.approx(50 * wanted[1].item())
    loss.backward()
    assert scores.grad is not None
    assert torch.allclose(scores.grad, tensor([[1 - wanted[0], -wanted[1], 0.0]]), atol=1e-6)


def test_the_cheaper_of_two_draws_is_preferred() -> None:
    scores = torch.zeros(2, 3, requires_grad=True)
    logs = scores.log_softmax(-1)
    costs = tensor([4.0, 1.0]), tensor([2.0, 1.0])
    preference(costs, (logs[:, 0], logs[:, 1])).backward()
    assert scores.grad is not None
    # Descent raises the second draw of the first row; equal costs teach nothing.
    assert torch.allclose(scores.grad, tensor([[0.5, -0.5, 0.0], [0.0, 0.0, 0.0]]))
