"""Self-contrast's logits, and which expert the weak stream hears, checked by hand."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from experts.fused.composites.self_contrast.mix import SelfContrastMix, WeakChoice
from experts.fused.folder.methods.self_contrast import SelfContrastRole

STRONG = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
WEAK = torch.tensor([[1.0, 3.0, 2.0, 0.0]])
GATE = torch.tensor([[0.1, 3.0, 2.0, 1.0]])
BY_RANK = (1, 2, 3, 0)


def heard(ids: Tensor, weights: Tensor) -> list[int]:
    return [int(row[weight > 0]) for row, weight in zip(ids, weights, strict=True)]


@pytest.mark.parametrize("renormalises", [True, False])
@pytest.mark.parametrize("ranks", [(1, 2, 3, 4), (2, 1)])
def test_a_row_hears_the_expert_of_its_roles_rank(renormalises: bool, ranks: Sequence[int]) -> None:
    choice = WeakChoice(ranks, chosen=2, rows=8)
    choice.tell(torch.arange(len(ranks)))
    weights, ids = choice(GATE.expand(len(ranks), 4), renormalises)

    expected = [BY_RANK[rank - 1] for rank in ranks]
    assert heard(ids, weights) == expected
    assert all(len(set(row)) == 2 for row in ids.tolist())
    probabilities = GATE[0].softmax(-1)[expected]
    total = torch.ones(len(ranks)) if renormalises else probabilities
    assert torch.allclose(weights.sum(-1), total)


def test_every_step_has_its_own_roles() -> None:
    choice = WeakChoice((1, 3), chosen=2, rows=4)
    for roles in ([0, 1, 1], [1, 0]):
        choice.tell(torch.tensor(roles))
        weights, ids = choice(GATE.expand(len(roles), 4), True)

        assert heard(ids, weights) == [[1, 3][role] for role in roles]


def test_weights_are_exact_while_models_are_built_in_half_precision() -> None:
    torch.set_default_dtype(torch.float16)
    try:
        choice = WeakChoice((2,), chosen=2, rows=1)
    finally:
        torch.set_default_dtype(torch.float32)

    assert choice.heard.dtype == torch.float32


def test_self_contrast_without_beta_is_the_strong_stream() -> None:
    mix = SelfContrastMix(
        [
            SelfContrastRole(name="plain", beta=0, alpha=0.9),
            SelfContrastRole(name="x", beta=0.5, alpha=0),
        ]
    )
    logits = mix(STRONG.expand(2, 4), WEAK.expand(2, 4), torch.tensor([0, 1]))

    assert torch.equal(logits, torch.cat((STRONG, 1.5 * STRONG - 0.5 * WEAK)))


def test_settings_are_exact_while_models_are_built_in_half_precision() -> None:
    torch.set_default_dtype(torch.float16)
    try:
        mix = SelfContrastMix([SelfContrastRole(name="x", beta=0.3, alpha=0.1)])
    finally:
        torch.set_default_dtype(torch.float32)

    assert mix.beta.dtype == mix.log_alpha.dtype == torch.float32
    assert float(mix.beta[0]) == pytest.approx(0.3, abs=1e-7)
