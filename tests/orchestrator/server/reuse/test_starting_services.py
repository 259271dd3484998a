"""Whole services: kept answers outlive them, and equal lines of a batch are asked once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from batch_lines import asked, client_of, tree, written

from orchestrator.config.model import Config
from orchestrator.service import start_service

PATIENCE_S = 10.0
BODY = asked("1", "sums", "2 + 3?", temperature=0)["body"]


@pytest.fixture
async def start(recording: str) -> AsyncIterator[Callable[..., Any]]:
    """Starts services over recorded answers, with a cache: `await start(store="...")`."""
    running: list[Any] = []

    async def one(**keys: Any) -> Any:
        keys = {"server": {"cache": {}}, **keys}
        config = Config.model_validate(tree(recording, **keys))
        running.append(await start_service(config, on_event=lambda words: None, port=0))
        return running[-1]

    yield one
    for service in running:
        await service.stop()


async def ask(service: Any, **headers: str) -> Any:
    async with httpx.AsyncClient(base_url=service.base_url, timeout=PATIENCE_S) as http:
        return await http.post("/v1/chat/completions", json=BODY, headers=headers)


async def counted(service: Any, metric: str) -> float:
    async with httpx.AsyncClient(base_url=service.base_url, timeout=PATIENCE_S) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))


async def test_answers_and_keys_outlive_the_service(start: Any, tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'kept.db'}"
    first = await start(store=store)
    answers = [await ask(first), await ask(first, **{"idempotency-key": "k"})]
    await first.stop()
    second = await start(store=store)
    answers += [await ask(second), await ask(second, **{"idempotency-key": "k"})]
    assert [one.headers["x-coterie-cache"] for one in answers] == ["miss", "hit", "hit", "hit"]
    assert answers[1].content == answers[3].content
    assert answers[3].headers["idempotency-replayed"] == "true"
    assert await counted(second, "coterie_calls_total") == 0


async def test_with_other_engine_arguments_nothing_kept_is_given(
    start: Any, tmp_path: Path
) -> None:
    store = f"sqlite:{tmp_path / 'kept.db'}"
    first = await start(store=store)
    await ask(first)
    await first.stop()
    changed = await start(store=store, slots={"engine_args": {"seed": 1}})
    assert (await ask(changed)).headers["x-coterie-cache"] == "miss"


async def test_equal_lines_of_a_batch_are_asked_once(start: Any) -> None:
    service = await start()
    lines = [asked(str(n), "sums", "2 + 3?", temperature=0) for n in range(20)]
    async with client_of(service) as client, asyncio.timeout(PATIENCE_S):
        file = await client.files.create(file=written(*lines), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            extra_headers={"idempotency-key": "batch"},
        )
        again = await client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            extra_headers={"idempotency-key": "batch"},
        )
        assert again.id == batch.id
        while batch.status != "completed":
            await asyncio.sleep(0.01)
            batch = await client.batches.retrieve(batch.id)
        output = (await client.files.content(batch.output_file_id)).text
        assert [one.id for one in (await client.batches.list()).data] == [batch.id]
    bodies = [json.loads(line)["response"]["body"] for line in output.splitlines()]
    assert [one["choices"][0]["message"]["content"] for one in bodies] == ["Five."] * 20
    told = [one["coterie"]["cache"] for one in bodies]
    assert told.count("miss") == 1
    assert await counted(service, "coterie_calls_total") == 1
