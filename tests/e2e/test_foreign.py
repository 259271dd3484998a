"""Other people's tokenizers in the real engine: no reserved tokens, a padded embedding, a LoRA."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from composite_engines import Engines, Server, serving
from foreign_models import write_adapter, write_foreign
from transformers import AutoTokenizer

from aggregators.contrast.reference import ContrastReference
from experts.fused.folder.adapters import merge_adapters
from experts.fused.folder.write import write_composite

pytestmark = pytest.mark.e2e

ENGINE_ARGS = {
    "dtype": "float32",
    "max_model_len": 128,
    "max_num_seqs": 16,
    "kv_cache_memory_bytes": 16 << 20,
    "max_logprobs": -1,
}
QUESTION = [{"role": "user", "content": "How many days does a week have?"}]
ROLES = ("left", "terse", "both")
PADDING = {"special": 0, "padded": 2}
"""Rows that no token has: roles are special tokens, or those and two new ones."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("foreign")
    found = {}
    for name, padding in PADDING.items():
        models = write_foreign(root / name, padding)
        write_adapter(root / name / "terse", models["right"], "right")
        out = root / name / "fused"
        members = {"left": models["left"], "terse": root / name / "terse"}
        roles: list[dict[str, Any]] = [{"name": one, "plus": one} for one in members]
        roles.append({"name": "both", "plus": "left", "minus": [["terse", "left"], 0.5]})
        write_composite(
            out, "CoterieContrast", merge_adapters(members, {}, out, lambda line: None), roles
        )
        found[name] = out
    return found


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[Server]:
    loads = {n: {"model": str(path), "engine_args": ENGINE_ARGS} for n, path in folders.items()}
    with serving(loads) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=120) as client:
        yield Engines(server, client, folders)


@pytest.mark.parametrize("name", PADDING)
async def test_each_role_says_what_the_reference_says(engines: Engines, name: str) -> None:
    reference = ContrastReference(engines.folders[name])
    tokenizer = AutoTokenizer.from_pretrained(engines.folders[name])

    async def said(role: str) -> tuple[list[int], list[int]]:
        body = {"messages": QUESTION, "chat_template_kwargs": {"role": role}, "temperature": 0}
        response = await engines.post(
            name,
            "/v1/chat/completions",
            {**body, "max_tokens": 12, "ignore_eos": True, "return_token_ids": True},
        )
        assert response.status_code == 200, response.text
        answer = response.json()
        return answer["prompt_token_ids"], answer["choices"][0]["token_ids"]

    answers = await asyncio.gather(*map(said, ROLES))
    for number, (role, (prompt, answer)) in enumerate(zip(ROLES, answers, strict=True)):
        assert prompt == tokenizer.apply_chat_template(
            QUESTION, role=role, add_generation_prompt=True, return_dict=False
        )
        assert prompt[0] == reference.composite.role_token_ids[number]
        assert answer == reference.greedy(prompt, 12)
    assert len({tuple(answer) for _, answer in answers}) == len(ROLES)


@pytest.mark.parametrize("name", PADDING)
async def test_role_tokens_are_never_sampled(engines: Engines, name: str) -> None:
    roles = ContrastReference(engines.folders[name]).composite.role_token_ids
    hot = {"temperature": 2.0, "max_tokens": 32, "n": 12, "seed": 1}
    asked = (engines.complete(name, [role, 60, 70], **hot) for role in roles)
    answers = await asyncio.gather(*asked)
    sampled = {
        token for answer in answers for one in answer["choices"] for token in one["token_ids"]
    }
    assert len(sampled) > 50
    assert not sampled & set(roles)
