"""Batched decoding with caches says what one question at a time without any says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from experts.fused.training.models import load_model
from routers.fusion_route.decode import Answer, FusedPolicy, Role, all_roles
from routers.fusion_route.model import FusionRouter, load_members

EOS = 2
PROMPTS = [[1, 4, 80, 81, 5], [1, 4, 90, 5], [1, 4, 100, 101, 5], [1, 4, 7, 5], [1, 4, 9, 9, 5]]
MOST = 6


@pytest.fixture(scope="module")
def policy(tiny: dict[str, Path]) -> FusedPolicy:
    """Random models whose answers end now and then, and a head that changes its mind."""
    router = FusionRouter(load_model("router", tiny["router"]), 2)
    torch.manual_seed(3)
    torch.nn.init.normal_(router.route_head.weight)
    members = load_members({name: tiny[name] for name in ("left", "right")})
    for model in (router.router, *members.models.values()):
        # A column that is often the largest, so that some answers end early.
        model.get_output_embeddings().weight.data[EOS] *= 5.0
    return FusedPolicy(router, members, EOS)


@torch.no_grad()
def alone(policy: FusedPolicy, prompt: list[int], role: Role) -> Answer:
    """The definition, with everything computed anew for every token."""
    router, members = policy._router, policy._members
    text: list[int] = []
    experts: list[int] = []
    while len(experts) < MOST:
        tokens = torch.tensor([[*prompt, *text]])
        last = torch.zeros(1, tokens.shape[1], dtype=torch.bool)
        last[0, -1] = True
        padded = torch.cat((tokens, torch.zeros(1, 1, dtype=torch.long)), 1)
        own, routes = router(padded, last)
        index = int(routes.argmax(-1))
        if role.expert is not None:
            index = members.names.index(role.expert) if role.expert != "none" else -1
        scores = torch.zeros_like(own)
        if index >= 0:
            scores = scores + members.log_probs(members.names[index], padded, last)
        if role.router_logits:
            scores = scores + own
        experts.append(index)
        best = int(scores.argmax(-1))
        if best == EOS:
            return Answer(tuple(text), tuple(experts), True)
        text.append(best)
    return Answer(tuple(text), tuple(experts), False)


def test_roles_have_the_order_of_the_served_model() -> None:
    assert all_roles(("a", "b")) == (
        Role("route", None, True),
        Role("route_only", None, False),
        Role("router", "none", True),
        Role("a", "a", True),
        Role("a_only", "a", False),
        Role("b", "b", True),
        Role("b_only", "b", False),
    )


@pytest.mark.parametrize("role", all_roles(("left", "right")), ids=lambda role: role.name)
def test_batches_equal_single_questions(policy: FusedPolicy, role: Role) -> None:
    said: list[str] = []
    answers = policy.decode(PROMPTS, role, MOST, said.append)
    assert answers == [alone(policy, prompt, role) for prompt in PROMPTS]
    assert said[-1] == f"{role.name} has answered 5 of 5 questions"


def test_the_random_models_show_what_they_should(policy: FusedPolicy) -> None:
    routed = policy.decode(PROMPTS * 4, all_roles(policy.members)[0], MOST, lambda line: None)
    assert {answer.finished for answer in routed} == {True, False}
    assert {index for answer in routed for index in answer.experts} == {0, 1}
