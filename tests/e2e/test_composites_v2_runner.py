"""Composites in the model runner that GPUs have answer as their references do.

Its Triton kernels are interpreted here, which is slow: few tokens, small members.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from composite_engines import (
    BLOCK,
    FIRST_ROLE,
    LOOSE,
    RUNNER_OF_GPUS,
    VOCABULARY,
    Engines,
    Server,
    chosen_by,
    serving,
    texts,
    tight,
    worst_error,
)
from fused_folders import write_contrasts, write_route
from mixtures import write_mixture

from aggregators.contrast.reference import ContrastReference
from aggregators.mixture_of_thoughts.reference import ThoughtsReference
from aggregators.self_contrast.reference import SelfContrastReference
from experts.fused.composites.fusion_route.speaker import speaker
from routers.fusion_route.reference import FusionRouteReference

pytestmark = pytest.mark.e2e

ROUTED = ("strings", "duo")
REFERENCES: dict[str, Any] = {
    "route": FusionRouteReference,
    "contrast": ContrastReference,
    "self": SelfContrastReference,
    "positionwise": ThoughtsReference,
    "sequence": ThoughtsReference,
}
THOUGHTS = {"stacks": 2, "places": (0, 1), "active": 2, "shared_width": 128}
LOADED = {**LOOSE, "max_num_batched_tokens": 64}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("second")
    found = write_contrasts(root)
    found["route"] = write_route(root / "route", ROUTED)
    for form in ("positionwise", "sequence"):
        write_mixture(root / form, ("arithmetic", "duo"), 0.8, attention=form, **THOUGHTS)
        found[form] = root / form
    return {kind: found[kind] for kind in REFERENCES}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads: dict[str, Any] = {
        kind: {"model": str(folder), "engine_args": LOADED} for kind, folder in folders.items()
    }
    loads["tight-self"] = tight(folders["self"], 3072)
    with serving(loads, RUNNER_OF_GPUS) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=120) as client:
        yield Engines(server, client, folders)


@pytest.mark.parametrize("kind", REFERENCES)
async def test_log_probabilities_and_answers_are_those_of_the_reference(
    engines: Engines, kind: str
) -> None:
    reference = REFERENCES[kind](engines.folders[kind])
    long = [Random(0).randrange(70, VOCABULARY) for _ in range(150)]
    prompts = [[FIRST_ROLE + role, *body] for role in range(3) for body in (*texts(1), long)]
    reserved = list(reference.composite.role_token_ids)
    for prompt in prompts[::2]:
        expected = reference.logits(prompt)[-1].log_softmax(-1).clamp(min=-9999)
        found = await engines.log_probs(kind, prompt)
        assert (found[reserved] < -8999).all()
        found[reserved] = expected[reserved] = -9999
        assert worst_error(found, expected) < 1e-3
    answers = await asyncio.gather(
        *(engines.follow(kind, prompt, max_tokens=4) for prompt in prompts)
    )
    for prompt, answer in zip(prompts, answers, strict=True):
        assert answer == chosen_by(reference, prompt, answer)
    assert len({str(answer) for answer in answers}) > 2  # Roles do differ.


async def test_a_client_can_read_who_spoke(engines: Engines) -> None:
    (text,) = texts(1)
    for number, expert in enumerate(ROUTED):
        answer = await engines.complete(
            "route", [FIRST_ROLE + 1 + number, *text], max_tokens=2, logprobs=0,
            logprob_token_ids=[FIRST_ROLE], return_tokens_as_token_ids=True,
        )  # fmt: skip
        tops = answer["choices"][0]["logprobs"]["top_logprobs"]
        assert [speaker(top[f"token_id:{FIRST_ROLE}"], ROUTED) for top in tops] == [expert] * 2


async def test_a_batch_on_little_memory_equals_each_request_alone(engines: Engines) -> None:
    dice = Random(1)
    bodies = [[dice.randrange(70, VOCABULARY) for _ in range(250)] for _ in range(2)]
    prompts = [[FIRST_ROLE + role, *body] for role in range(4) for body in bodies]
    alone = [await engines.follow("self", prompt) for prompt in prompts]
    before = engines.preemptions()
    together = await asyncio.gather(*(engines.follow("tight-self", one) for one in prompts))
    assert together == alone
    assert engines.preemptions() > before
    again = await engines.complete("tight-self", prompts[-1])
    assert again["choices"][0]["token_ids"] == alone[-1]
    again = await engines.complete("tight-self", prompts[-1])
    assert again["choices"][0]["token_ids"] == alone[-1]
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 250 // BLOCK * BLOCK
