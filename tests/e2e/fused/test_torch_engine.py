"""A slot serves an expert in torch beside vLLM's engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from mixtures import ZOO, write_mixture
from openai import AsyncOpenAI
from service_process import serving

pytestmark = pytest.mark.e2e

MEMBERS = ("arithmetic", "translation")


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncOpenAI]:
    folder = tmp_path_factory.mktemp("torch") / "mixture"
    write_mixture(folder, MEMBERS, 0.0, active=2)
    config = {
        "version": 1,
        "experts": {
            "mixture": {"type": "torch", "model": str(folder)},
            "arithmetic": {"type": "vllm", "model": str(ZOO / "arithmetic")},
        },
        "slots": {
            "count": 1,
            "cpus": 1,
            "memory_gb": 3,
            "engine_args": {"dtype": "float32", "max_model_len": 512},
        },
    }
    async with (
        serving(folder.parent, config) as (_, url),
        AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60) as openai,
    ):
        yield openai


async def ask(client: AsyncOpenAI, model: str, question: str) -> str:
    stream = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_tokens=16,
        stream=True,
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def test_with_closed_gates_it_says_what_its_primary_says(client: AsyncOpenAI) -> None:
    questions = [f"What is {number} + 17?" for number in range(20, 30)]
    both = await asyncio.gather(
        *(ask(client, model, q) for q in questions for model in ("mixture", "arithmetic"))
    )
    assert both[::2] == both[1::2]
    assert len(set(both)) == len(questions)
