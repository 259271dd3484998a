"""FusionRoute's logits, and what a client reads from them, checked by hand."""

import math

import pytest
import torch

from experts.fused.composites.combine import silence
from experts.fused.composites.fusion_route.mix import RouteMix, name_speaker
from experts.fused.composites.fusion_route.speaker import speaker
from experts.fused.folder.member import Member
from experts.fused.folder.methods.fusion_route import MOST_SPEAKERS, FusionRoute, RouteRole

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


@pytest.mark.parametrize("number", [0, 1, 2, MOST_SPEAKERS])
def test_a_client_reads_the_expert_that_was_named(number: int) -> None:
    logits = silence(torch.randn(5, 741) * 30 + 100, torch.tensor([6, 7]))
    named = name_speaker(logits.clone(), torch.full((5,), number), 6)
    logprobs = named.log_softmax(-1)

    experts = [f"e{index}" for index in range(MOST_SPEAKERS)]
    expected = experts[number] if number < MOST_SPEAKERS else None
    assert {speaker(float(one), experts) for one in logprobs[:, 6]} == {expected}
    assert (named.softmax(-1)[:, 6] == 0).all()
    assert ((named / 80).softmax(-1)[:, 6] == 0).all()
    assert (logprobs[:, 7] == -math.inf).all()
    assert torch.equal(logprobs[:, 8:], logits.log_softmax(-1)[:, 8:])
