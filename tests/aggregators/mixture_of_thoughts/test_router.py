"""Who speaks and who is heard: choices, their odds and their gradients."""

from __future__ import annotations

import math

import torch
from torch import tensor

from aggregators.mixture_of_thoughts.router import (
    QueryRouter,
    choose,
    listening,
    odds,
    speaking,
)


def test_a_choice_is_hard_forward_and_soft_backward() -> None:
    everybody = torch.ones(4, dtype=torch.bool)
    scores = tensor([[0.1, 2.0, 1.0, -1.0], [3.0, 0.0, 0.0, 0.0]], requires_grad=True)
    choice = choose(scores, 2, everybody)
    assert choice.active.tolist() == [[False, True, True, False], [True, True, False, False]]
    assert choice.primary.tolist() == [1, 0]
    assert torch.allclose(choice.weights, choice.active.float())
    (primary,) = torch.autograd.grad(choice.weights[0, 1], scores, retain_graph=True)
    assert primary[0].abs().min() > 0
    (peer,) = torch.autograd.grad(choice.weights[0, 2], scores)
    assert peer[0, 1] == 0  # Whom to hear is learned apart from who speaks.
    assert peer[0, [0, 2, 3]].abs().min() > 0
    noisy = choose(scores, 2, everybody, tensor([[0.0, 0.0, 5.0, 6.0], [0.0, 9.0, 8.0, 0.0]]))
    assert noisy.primary.tolist() == [3, 1]
    assert noisy.active.tolist() == [[False, False, True, True], [False, True, True, False]]


def test_who_can_not_speak_is_heard_all_the_same() -> None:
    scores = tensor([[0.1, 2.0, 1.0, -1.0], [0.0, 3.0, 0.0, 2.0]], requires_grad=True)
    choice = choose(scores, 2, tensor([True, False, True, True]))
    assert choice.primary.tolist() == [2, 3]
    assert choice.active.tolist() == [[False, True, True, False], [False, True, False, True]]
    listens = tensor([True, False, True, True])
    assert (speaking(scores, listens)[:, 1] == -math.inf).all()
    assert torch.allclose(speaking(scores, listens).exp().sum(-1), torch.ones(2))


def test_odds_are_those_of_the_primary_and_of_the_peers_without_it() -> None:
    scores = tensor([[5.0, 1.0, 2.0, 0.0], [5.0, 1.0, 2.0, 0.0]])
    everybody = torch.ones(4, dtype=torch.bool)
    choice = choose(scores, 3, everybody)
    others = tensor([1.0, 2.0, 0.0]).log_softmax(-1)
    assert torch.allclose(listening(scores, choice.primary)[0], tensor([-math.inf, *others]))
    expected = scores[0].log_softmax(-1)[0] + others[0] + others[1]
    assert torch.allclose(odds(scores, choice, everybody), expected.expand(2))


def test_the_router_scores_every_expert() -> None:
    router = QueryRouter(5, 3, dropout=0.0)
    judged = router(torch.randn(7, 5))
    assert (judged.members.shape, judged.alone.shape) == ((7, 3), (7,))
