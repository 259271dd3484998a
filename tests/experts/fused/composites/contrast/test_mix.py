"""The logits of contrastive decoding, checked by hand."""

import math

import pytest
import torch

from experts.fused.composites.contrast.mix import ContrastMix
from experts.fused.folder.methods.contrast import ContrastRole

FIRST = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
SECOND = torch.tensor([[1.0, 3.0, 2.0, 0.0]])


def test_contrast_adds_the_difference_of_two_members() -> None:
    mix = ContrastMix(
        [
            ContrastRole(name="a", plus="a"),
            ContrastRole(name="x", plus="a", minus=(("a", "b"), 0.5)),
            ContrastRole(name="y", plus="b", minus=(("a", "b"), 1.0)),
        ],
        ("a", "b"),
    )
    logits = mix([FIRST.expand(3, 4), SECOND.expand(3, 4)], torch.tensor([0, 1, 2]))

    expected = torch.cat((FIRST, 1.5 * FIRST - 0.5 * SECOND, FIRST))
    assert torch.allclose(logits, expected)


def test_an_implausible_token_is_never_sampled_but_keeps_its_place() -> None:
    role = ContrastRole(name="x", plus="a", minus=(("a", "b"), 9.0), alpha=0.3)
    logits = ContrastMix([role], ("a", "b"))([FIRST, SECOND], torch.tensor([0]))
    probabilities = logits.softmax(-1)

    # 3 is within a factor of 0.3 of 4; 1 and 0 are not.
    assert (probabilities[0] > 0).tolist() == [True, True, False, False]
    assert logits[0].argsort(descending=True).tolist() == [0, 1, 2, 3]
    assert logits.log_softmax(-1)[0, 2] < -9999


def test_a_lone_plausible_token_that_is_forbidden_leaves_the_plain_model() -> None:
    role = ContrastRole(name="x", plus="a", alpha=0.9)
    logits = ContrastMix([role], ("a", "b"))([FIRST, SECOND], torch.tensor([0]))
    logits[0, 0] = -math.inf

    assert torch.allclose(logits[0, 1:].softmax(-1), FIRST[0, 1:].softmax(-1))


def test_settings_are_exact_while_models_are_built_in_half_precision() -> None:
    torch.set_default_dtype(torch.float16)
    try:
        contrast = ContrastMix([ContrastRole(name="x", plus="a", minus=(("a", "b"), 0.3))], "ab")
    finally:
        torch.set_default_dtype(torch.float32)

    assert contrast.coefficients.dtype == contrast.log_alpha.dtype == torch.float32
    assert float(contrast.coefficients[0, 1]) == pytest.approx(-0.3, abs=1e-7)
