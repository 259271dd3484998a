"""The pure parts of a Mixture of Thoughts: cuts, attention, losses, choices, roles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from aggregators.mixture_of_thoughts.exchange import exchange
from aggregators.mixture_of_thoughts.losses import (
    disagreement,
    entropy,
    gumbel,
    imbalance,
    likeness,
    preference,
)
from aggregators.mixture_of_thoughts.router import (
    Choice,
    QueryRouter,
    choose,
    listening,
    odds,
    speaking,
)
from aggregators.mixture_of_thoughts.save import all_roles, role_name
from experts.errors import ConfigError
from experts.fused.composites.mixture_of_thoughts.alike import Alike
from experts.fused.composites.mixture_of_thoughts.attending import (
    Attend,
    Form,
    OverSequence,
    causal,
    positionwise,
)
from experts.fused.composites.mixture_of_thoughts.interaction import Interaction, Seats, cut
from experts.fused.composites.mixture_of_thoughts.listening import listened
from experts.fused.composites.mixture_of_thoughts.mix import tell_attention


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


def test_heads_must_fit() -> None:
    with pytest.raises(ValueError, match="shared width of 8 cannot be split into 3 heads"):
        Interaction([6], shared=8, heads=3)


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


def test_the_router_scores_every_expert() -> None:
    router = QueryRouter(5, 3, dropout=0.0)
    judged = router(torch.randn(7, 5))
    assert (judged.members.shape, judged.alone.shape) == ((7, 3), (7,))


def test_roles_are_all_pairs_of_a_primary_and_its_peers() -> None:
    roles = all_roles(("a", "b", "c"), ("a", "b", "c"), 2, room=9)
    assert [role["name"] for role in roles] == [
        *("a+b", "a+c", "b+a", "b+c", "c+a", "c+b", "a", "b", "c")
    ]
    assert roles[1]["active"] == ["a", "c"]
    heard = all_roles(("a", "b", "c"), ("a", "c"), 3, room=9)
    assert [role["name"] for role in heard] == ["a+b+c", "c+a+b", "a", "c"]
    assert role_name("b", ("c", "a")) == "b+a+c"
    with pytest.raises(ConfigError, match=r"make 66 roles; there is room for 65"):
        all_roles("abcdef", "abcdef", 3, room=65)


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
