"""A Mixture of Thoughts in the real engine equals its reference, alone and in mixed batches."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import torch
from composite_engines import (
    BLOCK,
    BOS,
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
from mixtures import write_mixture

from aggregators.mixture_of_thoughts import model
from aggregators.mixture_of_thoughts.exchange import exchange
from aggregators.mixture_of_thoughts.reference import ThoughtsReference
from experts.fused.composites.mixture_of_thoughts.attending import Form
from experts.fused.composites.mixture_of_thoughts.listening import listened
from experts.fused.folder.folder_config import read

pytestmark = pytest.mark.e2e

MEMBERS = ("arithmetic", "geography", "logic", "duo")
"""Llama, GPT-NeoX (from transformers), Gemma and Mixtral: two to four layers, two widths."""
TRIES = 5
FORMS = ("awake", "past")
"""Folders of both forms of attention, with open gates."""
TOKEN_BYTES = {"awake": 8192, "past": 16384}


def write(folder: Path, gate: float, form: Form = "positionwise") -> Path:
    """Write a mixture that is heard with `gate`."""
    shape = {"stacks": 3, "places": (0, 2), "active": 3, "shared_width": 128, "attention": form}
    write_mixture(folder, MEMBERS, gate, **shape)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("thoughts")
    return {
        "asleep": write(root / "asleep", 0.0),
        "awake": write(root / "awake", 0.8),
        "past": write(root / "past", 0.8, "sequence"),
    }


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads = {name: loose(folder) for name, folder in folders.items()}
    loads |= {name: loose(ZOO / name) for name in MEMBERS}
    loads |= {f"tight-{form}": tight(folders[form], TOKEN_BYTES[form]) for form in FORMS}
    with serving(loads) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, folders)


@pytest.fixture(scope="module")
def references(folders: dict[str, Path]) -> dict[str, ThoughtsReference]:
    return {form: ThoughtsReference(folders[form]) for form in FORMS}


@pytest.fixture(scope="module")
def roles(folders: dict[str, Path]) -> dict[str, int]:
    """Role -> its token."""
    composite = read(folders["awake"])
    return dict(zip([r.name for r in composite.roles], composite.role_token_ids, strict=True))


SOME = ("arithmetic+duo+logic", "geography+arithmetic+logic", "duo+geography+logic", "logic")


@pytest.mark.parametrize("primary", MEMBERS)
async def test_with_closed_gates_it_is_its_primary(
    engines: Engines, roles: dict[str, int], primary: str
) -> None:
    spoken = [name for name in roles if name.split("+")[0] == primary]
    for text, role in zip(texts(len(spoken)), spoken, strict=True):
        alone = await engines.follow(primary, [BOS, *text])
        assert await engines.follow("asleep", [roles[role], *text]) == alone


@pytest.mark.parametrize("form", FORMS)
async def test_alone_a_member_is_itself(engines: Engines, roles: dict[str, int], form: str) -> None:
    for text in texts(2):
        alone = await engines.follow("logic", [BOS, *text])
        assert await engines.follow(form, [roles["logic"], *text]) == alone


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("role", SOME)
async def test_log_probabilities_and_answers_are_those_of_the_reference(
    engines: Engines,
    references: dict[str, ThoughtsReference],
    roles: dict[str, int],
    role: str,
    form: str,
) -> None:
    reference = references[form]
    for text in texts(3):
        tokens = [roles[role], *text]
        expected = reference.logits(tokens)[-1].log_softmax(-1)
        found = await engines.log_probs(form, tokens)
        reserved = list(reference.composite.role_token_ids)
        assert (found[reserved] < -8999).all()
        found[reserved] = expected[reserved] = -9999
        assert not found.isnan().any()
        assert worst_error(found, expected) < 1e-3
        answer = await engines.follow(form, tokens)
        assert answer == chosen_by(reference, tokens, answer)


@pytest.mark.parametrize("form", FORMS)
async def test_a_batch_of_roles_on_little_memory_equals_each_request_alone(
    engines: Engines, roles: dict[str, int], form: str
) -> None:
    tight = f"tight-{form}"
    dice = Random(0)
    bodies = texts(2) + [[dice.randrange(70, VOCABULARY) for _ in range(250)] for _ in range(2)]
    prompts = [[roles[role], *body] for role in SOME for body in bodies]
    alone = [await engines.follow(form, prompt) for prompt in prompts]
    assert len({str(answer) for answer in alone}) > len(prompts) // 2
    order = dice.sample(range(len(prompts)), len(prompts))
    before = engines.preemptions()
    # On a busy machine they may come so slowly that there is room for each.
    for _ in range(TRIES):
        together = await asyncio.gather(*(engines.follow(tight, prompts[i]) for i in order))
        assert together == [alone[i] for i in order]
        if engines.preemptions() > before:
            break
    assert engines.preemptions() > before
    for prompt, answer in zip(prompts[-6:], alone[-6:], strict=True):
        assert await engines.follow(tight, prompt) == answer
        again = await engines.complete(tight, prompt)
        assert again["choices"][0]["token_ids"] == answer
        cached = (again["usage"]["prompt_tokens_details"] or {}).get("cached_tokens", 0)
        assert cached == len(prompt) // BLOCK * BLOCK


@pytest.mark.parametrize("form", FORMS)
async def test_a_client_can_read_who_was_listened_to(
    engines: Engines, references: dict[str, ThoughtsReference], roles: dict[str, int], form: str
) -> None:
    reference = references[form]
    tokens = [roles[SOME[0]], *texts(1)[0]]
    marks = list(reference.composite.role_token_ids)[: 2 * len(MEMBERS)]
    answer = await engines.complete(
        form, tokens, max_tokens=1, logprob_token_ids=marks, logprobs=0,
        return_tokens_as_token_ids=True,
    )  # fmt: skip
    (top,) = answer["choices"][0]["logprobs"]["top_logprobs"]
    told = listened([top[f"token_id:{mark}"] for mark in marks], len(MEMBERS))
    expected = attention(reference, tokens)
    assert torch.allclose(torch.tensor(told), expected, atol=1e-3)
    assert all(row[MEMBERS.index("geography")] == 0 for row in told)


def attention(reference: ThoughtsReference, tokens: list[int]) -> torch.Tensor:
    """[interactions, members] at the last token, from the reference's own layers."""
    found: list[torch.Tensor] = []

    def watched(*arguments: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
        deltas, shares = exchange(*arguments)
        found.append(shares[0, -2])
        return deltas, shares

    with patch.object(model, "exchange", watched):
        reference.logits(tokens)
    return torch.stack(found)
