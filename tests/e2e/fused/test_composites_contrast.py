"""Contrast and self-contrast in the real engine, in one engine process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest
from composite_engines import (
    BOS,
    FIRST_ROLE,
    VOCABULARY,
    ZOO,
    Engines,
    Server,
    chosen_by,
    loose,
    serving,
    texts,
    tight,
    worst_error,
)
from fused_folders import CONTRAST_ROLES, MIXTURES, SELF_ROLES, role_token, write_contrasts

from aggregators.contrast.reference import ContrastReference
from aggregators.self_contrast.reference import SelfContrastReference

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_contrasts(tmp_path_factory.mktemp("composites"))


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads = {name: loose(path) for name, path in folders.items()}
    loads |= {"duo": loose(ZOO / "duo"), "tight-self": tight(folders["self"], 3072)}
    with serving(loads) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, folders)


@pytest.mark.parametrize(
    ("name", "count"), [("contrast", len(CONTRAST_ROLES)), ("self", len(SELF_ROLES))]
)
async def test_role_tokens_are_never_sampled(engines: Engines, name: str, count: int) -> None:
    roles = range(FIRST_ROLE, FIRST_ROLE + count)
    sampled = await engines.sampled(name, roles)

    assert len(sampled) > 50
    assert not sampled & set(roles)


@pytest.mark.parametrize("role", [role["name"] for role in CONTRAST_ROLES])
async def test_contrast_is_the_reference(engines: Engines, role: str) -> None:
    reference = ContrastReference(engines.folders["contrast"])
    for text in texts(4):
        tokens = [role_token(CONTRAST_ROLES, role), *text]
        expected = reference.logits(tokens)[-1].log_softmax(-1).clamp(min=-9999)
        found = await engines.log_probs("contrast", tokens)

        answer = await engines.follow("contrast", tokens)

        assert worst_error(found, expected) < 1e-3
        assert answer == chosen_by(reference, tokens, answer)


async def test_contrast_keeps_to_a_grammar_that_allows_only_implausible_tokens(
    engines: Engines,
) -> None:
    role = role_token(CONTRAST_ROLES, "contrast")
    words = {"structured_outputs": {"choice": ["zebra", "quagga"]}, "ignore_eos": False}
    for text in texts(3):
        answer = await engines.complete("contrast", [role, *text], **words)

        assert answer["choices"][0]["text"] in ("zebra", "quagga")


async def test_self_contrast_without_contrast_is_the_model(engines: Engines) -> None:
    for text in texts(6):
        alone = await engines.follow("duo", [BOS, *text])

        assert await engines.follow("self", [FIRST_ROLE, *text]) == alone


@pytest.mark.parametrize("name", ["self", *MIXTURES])
async def test_self_contrast_is_the_reference(engines: Engines, name: str) -> None:
    reference = SelfContrastReference(engines.folders[name])
    answers = set()
    for number in range(len(SELF_ROLES)):
        for text in texts(3):
            tokens = [FIRST_ROLE + number, *text]
            expected = reference.logits(tokens)[-1].log_softmax(-1).clamp(min=-9999)
            found = await engines.log_probs(name, tokens)
            answer = await engines.follow(name, tokens)

            assert worst_error(found, expected) < 1e-3
            assert answer == chosen_by(reference, tokens, answer)
            answers.add(str(answer))
    assert len(answers) > 3  # Contrast changes something.


async def test_self_contrast_of_a_batch_on_little_memory_equals_each_request_alone(
    engines: Engines,
) -> None:
    dice = Random(1)
    bodies = texts(2) + [[dice.randrange(70, VOCABULARY) for _ in range(250)] for _ in range(2)]
    prompts = [[FIRST_ROLE + n, *body] for n in range(len(SELF_ROLES)) for body in bodies]
    alone = [await engines.follow("self", prompt) for prompt in prompts]
    before = engines.preemptions()
    for _ in range(2):
        together = await asyncio.gather(*(engines.follow("tight-self", p) for p in prompts))

        assert together == alone
    assert engines.preemptions() > before
