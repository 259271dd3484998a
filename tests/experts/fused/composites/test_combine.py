"""The arithmetic of composites, on logits that can be checked by hand."""

import math

import pytest
import torch

from experts.fused.composites.combine import (
    ContrastMix,
    RouteMix,
    SelfContrastMix,
    name_speaker,
    silence,
)
from experts.fused.composites.fusion_route.speaker import speaker
from experts.fused.folder.folder_config import (
    ContrastRole,
    FusionRoute,
    Member,
    RouteRole,
    SelfContrastRole,
)

FIRST = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
SECOND = torch.tensor([[1.0, 3.0, 2.0, 0.0]])
ROUTER = torch.tensor([[0.0, 0.5, 0.0, 1.0]])


def route(*roles: RouteRole) -> RouteMix:
    return RouteMix(
        FusionRoute(
            members={name: Member(path=name, config={}) for name in ("a", "b")},
            roles=roles,
            role_token_ids=tuple(range(10, 10 + len(roles))),
            bos_token_id=1,
            vocab_size=20,
            router={},
        )
    )


def test_the_head_picks_unless_the_role_forces_an_expert() -> None:
    mix = route(
        RouteRole(name="x"), RouteRole(name="a", expert="a"), RouteRole(name="n", expert="none")
    )
    weights = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])

    assert mix.pick(weights, torch.tensor([0, 1, 2, 0])).tolist() == [1, 0, 2, 0]


def test_those_who_speak_are_added() -> None:
    mix = route(
        RouteRole(name="x"),
        RouteRole(name="y", router_logits=False),
        RouteRole(name="n", expert="none"),
    )
    rows = [one.expand(3, 4) for one in (ROUTER, FIRST, SECOND)]
    logits = mix(rows[0], rows[1:], torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]))

    assert torch.equal(logits, torch.cat((ROUTER + FIRST, SECOND, ROUTER)))


@pytest.mark.parametrize("number", [0, 1, 2, 700])
def test_a_client_reads_the_expert_that_was_named(number: int) -> None:
    logits = silence(torch.randn(5, 741) * 30 + 100, torch.tensor([6, 7]))
    named = name_speaker(logits.clone(), torch.full((5,), number), 6)
    logprobs = named.log_softmax(-1)

    experts = [f"e{index}" for index in range(700)]
    expected = experts[number] if number < 700 else None
    assert {speaker(float(one), experts) for one in logprobs[:, 6]} == {expected}
    assert (named.softmax(-1)[:, 6] == 0).all()
    assert ((named / 80).softmax(-1)[:, 6] == 0).all()
    assert (logprobs[:, 7] == -math.inf).all()
    assert torch.equal(logprobs[:, 8:], logits.log_softmax(-1)[:, 8:])


@pytest.mark.parametrize("logprob", [-1.0, -9003.0, -9999.0])
def test_a_number_that_names_nobody_is_refused(logprob: float) -> None:
    with pytest.raises(ValueError, match="names none of 2"):
        speaker(logprob, ["a", "b"])


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


def test_self_contrast_without_beta_is_the_strong_stream() -> None:
    mix = SelfContrastMix(
        [
            SelfContrastRole(name="plain", beta=0, alpha=0.9),
            SelfContrastRole(name="x", beta=0.5, alpha=0),
        ]
    )
    logits = mix(FIRST.expand(2, 4), SECOND.expand(2, 4), torch.tensor([0, 1]))

    assert torch.equal(logits, torch.cat((FIRST, 1.5 * FIRST - 0.5 * SECOND)))


def test_settings_are_exact_while_models_are_built_in_half_precision() -> None:
    torch.set_default_dtype(torch.float16)
    try:
        mix = SelfContrastMix([SelfContrastRole(name="x", beta=0.3, alpha=0.1)])
        contrast = ContrastMix([ContrastRole(name="x", plus="a", minus=(("a", "b"), 0.3))], "ab")
    finally:
        torch.set_default_dtype(torch.float32)

    assert mix.beta.dtype == mix.log_alpha.dtype == contrast.coefficients.dtype == torch.float32
    assert float(mix.beta[0]) == pytest.approx(0.3, abs=1e-7)
