"""Other people's tokenizers in the real engine: no reserved tokens, a padded embedding, a LoRA."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from composite_engines import Engines, Server, serving
from fused_folders import write_adapter
from repository import ROOT
from tiny_models import SPARE, write_foreign
from transformers import AutoModelForCausalLM, AutoTokenizer

from aggregators.contrast.reference import ContrastReference
from experts.fused.folder.adapters import merge_adapters
from experts.fused.folder.write import write_composite

pytestmark = pytest.mark.e2e

REAL = ROOT / "out" / "real" / "smollm2"

ENGINE_ARGS = {
    "dtype": "float32",
    "max_model_len": 128,
    "max_num_seqs": 16,
    "kv_cache_memory_bytes": 16 << 20,
    "max_logprobs": -1,
}
QUESTION = [{"role": "user", "content": "How many days does a week have?"}]
ROLES = ("left", "terse", "both")
PADDING = {"special": 0, "bytes": 0, "padded": 2}
"""Rows that no token has; then bytes that no text holds are role tokens, or the named ones."""


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
        whole = merge_adapters(members, {}, out, lambda line: None)
        named = SPARE[:3] if name == "special" else ()
        write_composite(out, "CoterieContrast", whole, roles, role_tokens=named)
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


async def said(engines: Engines, name: str, role: str) -> tuple[list[int], list[int]]:
    """A prompt and its greedy answer, as tokens."""
    body = {"messages": QUESTION, "chat_template_kwargs": {"role": role}, "temperature": 0}
    response = await engines.post(
        name,
        "/v1/chat/completions",
        {**body, "max_tokens": 12, "ignore_eos": True, "return_token_ids": True},
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["prompt_token_ids"], answer["choices"][0]["token_ids"]


@pytest.mark.parametrize("name", PADDING)
async def test_each_role_says_what_the_reference_says(engines: Engines, name: str) -> None:
    reference = ContrastReference(engines.folders[name])
    tokenizer = AutoTokenizer.from_pretrained(engines.folders[name])

    answers = await asyncio.gather(*(said(engines, name, role) for role in ROLES))
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


@pytest.mark.skipif(not REAL.is_dir(), reason="SmolLM2 is not there; `make real` makes it")
async def test_a_real_model_and_an_adapter_of_it_say_what_they_say_alone(tmp_path: Path) -> None:
    out = tmp_path / "fused"
    adapter = write_adapter(tmp_path / "terse", REAL, str(REAL))
    members = merge_adapters({"plain": REAL, "terse": adapter}, {}, out, lambda line: None)
    composite = write_composite(
        out, "CoterieContrast", members, [{"name": name, "plus": name} for name in members]
    )
    tokenizer = AutoTokenizer.from_pretrained(REAL)
    engine_args = {**ENGINE_ARGS, "kv_cache_memory_bytes": 256 << 20}
    with serving({"real": {"model": str(out), "engine_args": engine_args}}) as server:
        async with httpx.AsyncClient(timeout=120) as client:
            engines = Engines(server, client, {"real": out})
            answers = [await said(engines, "real", role) for role in members]
    for path, (prompt, answer) in zip(members.values(), answers, strict=True):
        model = AutoModelForCausalLM.from_pretrained(path, dtype="float32")
        asked = tokenizer.apply_chat_template(
            QUESTION, add_generation_prompt=True, return_tensors="pt"
        )
        made = model.generate(
            **asked,
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=None,
            suppress_tokens=list(composite.role_token_ids),
        )
        length = asked["input_ids"].shape[1]
        assert prompt[1:] == asked["input_ids"][0, 1:].tolist()
        assert answer == made[0, length:].tolist()
    assert answers[0] != answers[1]
