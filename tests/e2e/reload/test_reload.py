"""The file of a running service is edited: an expert of the zoo comes, changes and goes."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import AsyncOpenAI, NotFoundError
from repository import ROOT
from service_process import started

from orchestrator.config.model import load_config

pytestmark = pytest.mark.e2e
WEIGHTS = ROOT / "experts/zoo/weights"
QUESTION = "What is the capital of Norway?"


def expert(name: str, **keys: Any) -> dict[str, Any]:
    return {"type": "vllm", "model": str(WEIGHTS / name), **keys}


def write(folder: Path, tree: dict[str, Any], **experts: Any) -> None:
    whole = {**tree, "experts": {**tree["experts"], **experts}}
    (folder / "pool.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")


async def said(client: AsyncOpenAI, model: str, question: str) -> str:
    answer = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], max_tokens=24
    )
    return answer.choices[0].message.content or ""


async def long_stream(client: AsyncOpenAI) -> int:
    """Tokens of an answer that takes a while, which must end as it should."""
    stream = await client.chat.completions.create(
        model="arithmetic",
        messages=[{"role": "user", "content": "What is 12 + 35?"}],
        max_tokens=400,
        extra_body={"ignore_eos": True},
        stream=True,
    )
    pieces, last = 0, None
    async for chunk in stream:
        pieces += 1
        last = chunk.choices[0].finish_reason if chunk.choices else last
    assert last == "length"
    return pieces


async def test_an_expert_comes_changes_and_goes(tmp_path: Path) -> None:
    slots = load_config(ROOT / "examples/zoo.yaml").slots.model_dump(exclude_unset=True)
    tree: dict[str, Any] = {
        "experts": {"arithmetic": expert("arithmetic")},
        "slots": slots,
        "store": "memory",
    }
    async with started(tmp_path, tree, "--watch", "--watch-interval", "0.2") as served:
        url = await served.url()
        async with AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60
        ) as client:
            across = asyncio.create_task(long_stream(client))

            # By its watch, and by a signal: whichever is first, the other finds nothing new.
            write(tmp_path, tree, guide=expert("geography"))
            served.process.send_signal(signal.SIGHUP)
            await served.says("generation 2 runs")
            assert "Oslo" in await said(client, "guide", QUESTION)

            write(tmp_path, tree, guide=expert("units"))
            await served.says("generation 3 runs")
            assert "3000" in await said(client, "guide", "How many metres are 3 kilometres?")
            assert "Oslo" not in await said(client, "guide", QUESTION)

            write(tmp_path, tree, guide={"type": "vllm"}, strange={"type": "none"})
            assert "experts.guide.model" in await served.says("the one that ran before goes on")
            assert "3000" in await said(client, "guide", "How many metres are 3 kilometres?")

            write(tmp_path, tree)
            served.process.send_signal(signal.SIGHUP)
            await served.says("generation 4 runs")
            await served.says("guide left the pool")
            with pytest.raises(NotFoundError):
                await said(client, "guide", QUESTION)

            assert await across > 100
            assert "47" in await said(client, "arithmetic", "What is 12 + 35?")
