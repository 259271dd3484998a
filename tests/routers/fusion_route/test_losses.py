"""The losses equal numbers worked out by hand, and send gradients where they should."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, tensor

from experts.fused.training.schedule import learning_rate
from experts.fused.training.tokens import sum_by_row
from routers.fusion_route import losses


def test_expert_loss_by_hand() -> None:
    # Weights (1/2, 1/2) and (3/4, 1/4): 1/2 + 3/2 = 2 and 3/2 + 6/4 = 3 in one answer.
    routes = tensor([[0.0, 0.0], [math.log(3), 0.0], [5.0, 0.0], [0.0, 0.0]])
    nll = tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 100.0], [4.0, 8.0]])
    informative = tensor([True, True, False, True])
    one = losses.expert_loss(routes[:2], nll[:2], informative[:2], tensor([0, 0]))
    assert one.item() == pytest.approx(2.5)
    # Answer 1 has no informative token and does not count; answer 2 has the mean 6.
    three = losses.expert_loss(routes, nll, informative, tensor([0, 0, 1, 2]))
    assert three.item() == pytest.approx((2.5 + 6) / 2)


def test_expert_loss_of_nothing_is_zero_and_has_a_gradient() -> None:
    routes = torch.zeros(2, 3, requires_grad=True)
    loss = losses.expert_loss(routes, torch.ones(2, 3), tensor([False, False]), tensor([0, 1]))
    loss.backward()
    assert loss.item() == 0
    assert routes.grad is not None
    assert not routes.grad.any()


def test_expert_loss_moves_weight_to_the_better_expert() -> None:
    routes = torch.zeros(1, 2, requires_grad=True)
    losses.expert_loss(routes, tensor([[1.0, 3.0]]), tensor([True]), tensor([0])).backward()
    # d/dr of sum_i softmax(r)_i nll_i is w_i (nll_i - mean) = 1/2 (1 - 2), 1/2 (3 - 2).
    assert routes.grad is not None
    assert routes.grad.tolist() == [[-0.5, 0.5]]


def test_complemented_dpo_by_hand() -> None:
    done = losses.complemented_dpo(
        policy=(tensor([-1.0, -5.0]), tensor([-3.0, -5.0])),
        reference=(tensor([-2.0, -5.0]), tensor([-2.5, -5.0])),
        experts=(tensor([-4.0, -1.0]), tensor([-1.0, -31.0])),
        beta=0.1,
    )
    # Pair 0: 0.1 (2 - 0.5) + 0.1 (-3) = -0.15. Pair 1: 0 + 0.1 * 30 = 3.
    first, second = math.log1p(math.exp(0.15)), math.log1p(math.exp(-3))
    assert first == pytest.approx(0.770957, abs=1e-6)
    assert done.loss.item() == pytest.approx((first + second) / 2)
    assert done.bias.tolist() == pytest.approx([-0.3, 3.0])
    assert done.right.item() == 0.5


def test_complemented_dpo_is_plain_dpo_where_the_experts_do_not_care() -> None:
    policy = (tensor([-1.0], requires_grad=True), tensor([-2.0], requires_grad=True))
    level = (tensor([-7.0]), tensor([-7.0]))
    done = losses.complemented_dpo(policy, (tensor([-1.0]), tensor([-2.0])), level, 0.5)
    assert done.loss.item() == pytest.approx(math.log(2))
    done.loss.backward()
    # -beta sigmoid(0) and its opposite.
    assert policy[0].grad is not None
    assert policy[1].grad is not None
    assert policy[0].grad.item() == pytest.approx(-0.25)
    assert policy[1].grad.item() == pytest.approx(0.25)


def test_a_strong_expert_leaves_the_router_alone() -> None:
    def gradient(bias: float) -> float:
        chosen = tensor([0.0], requires_grad=True)
        rest = tensor([0.0])
        experts = (tensor([bias]), tensor([0.0]))
        losses.complemented_dpo((chosen, rest), (rest, rest), experts, 0.1).loss.backward()
        assert chosen.grad is not None
        return abs(chosen.grad.item())

    assert gradient(200.0) < 1e-9 < gradient(0.0) < gradient(-200.0)


def test_neither_experts_nor_reference_get_a_gradient() -> None:
    parts: list[Tensor] = [tensor([-1.0], requires_grad=True) for _ in range(6)]
    done = losses.complemented_dpo(
        (parts[0], parts[1]), (parts[2], parts[3]), (parts[4], parts[5]), 0.1
    )
    done.loss.backward()
    assert [part.grad is not None for part in parts] == [True, True, False, False, False, False]


def test_chosen_expert_and_sums() -> None:
    routes = tensor([[1.0, 2.0], [3.0, 0.0], [1.0, 1.0]], requires_grad=True)
    nll = tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert losses.chosen_expert(routes).tolist() == [1, 0, 0]
    chosen = losses.chosen_log_probs(routes, nll)
    assert chosen.tolist() == [-2, -3, -5]
    assert not chosen.requires_grad
    row = tensor([0, 1, 1])
    assert sum_by_row(chosen, row, 3).tolist() == [-2, -8, 0]
    assert sum_by_row(chosen, row, 3, length_norm=True).tolist() == [-2, -4, 0]


def test_normalizer_by_hand() -> None:
    router, expert = tensor([[0.8, 0.2]]).log(), tensor([[0.5, 0.5]]).log()
    assert losses.log_normalizer(router, expert).item() == pytest.approx(math.log(0.5))


def test_learning_rate() -> None:
    rates = [learning_rate(step, 10, 1.0, 0.2, 0.5) for step in range(10)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert rates[6] == pytest.approx(0.75)
    assert rates == [*sorted(rates[:3]), *sorted(rates[3:], reverse=True)]
    assert min(rates[3:]) >= 0.5


def test_only_sides_among_an_experts_candidates_disturb() -> None:
    expert = tensor([[0.6, 0.4, 1e-30, 1e-30]]).log()
    level = tensor([[-1.0, -1.0, -9.0, 0.0]])
    assert losses.disturbance(level, expert).item() == pytest.approx(0.0, abs=1e-5)
    partial = tensor([[0.0, -2.0, -1.0, -1.0]])
    assert losses.disturbance(partial, expert).item() == pytest.approx(1.0, rel=0.05)


def test_a_shift_of_all_log_probabilities_does_not_disturb() -> None:
    generator = torch.Generator().manual_seed(0)
    router, expert = (torch.randn(5, 9, generator=generator).log_softmax(-1) for _ in range(2))
    assert torch.allclose(
        losses.disturbance(router + 3, expert), losses.disturbance(router, expert), atol=1e-5
    )
    assert (losses.disturbance(router, expert) > 0).all()


def test_an_answer_is_known_where_one_expert_gives_all_of_it() -> None:
    # Answer 0: the experts share it. Answer 1: the second knows it, token by token and in all.
    nll = tensor([[0.1, 9.0], [9.0, 0.1], [2.0, 0.5], [2.0, 0.4]])
    row = tensor([0, 0, 1, 1])
    assert losses.known_answers(nll, row, 2, 1.0).tolist() == [False, False, True, True]
    assert losses.known_answers(nll, row, 2, 0.8).tolist() == [False] * 4
