"""What a batch is after its gateway was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from batch_lines import asked, tree, written
from openai import AsyncOpenAI
from service_process import ServedProcess, started

TEXTS = ("2 + 3?", "9 - 4?", "Capital of Peru?")
MODELS = ("sums", "cities", "pool/fixed")
ENDED = ("completed", "failed", "expired", "cancelled")
COUNT = 8000
LINES = [asked(f"q{n}", MODELS[n % 3], TEXTS[n % 2]) for n in range(COUNT)]


async def client_of(served: ServedProcess) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{await served.url()}/v1", api_key="none", max_retries=0)


async def followed(client: AsyncOpenAI, identifier: str, more_than: int) -> Any:
    """The batch, once more lines are answered, or it has ended."""
    while True:
        batch = await client.batches.retrieve(identifier)
        if batch.status in ENDED or (
            (counts := batch.request_counts) and counts.completed > more_than
        ):
            return batch


@pytest.mark.slow
async def test_every_line_is_answered_once_whenever_the_gateway_dies(
    recording: str, tmp_path: Path
) -> None:
    config = {"version": 1, **tree(recording), "store": "sqlite:store.db"}
    config["batches"] = {"in_flight": 2}
    identifier, done = "", -1
    for _ in range(3):
        async with started(tmp_path, config) as served:
            async with await client_of(served) as client:
                if not identifier:
                    content = ("lines.jsonl", written(*LINES))
                    file = await client.files.create(file=content, purpose="batch")
                    batch = await client.batches.create(
                        input_file_id=file.id,
                        endpoint="/v1/chat/completions",
                        completion_window="24h",
                    )
                    identifier = batch.id
                batch = await followed(client, identifier, done)
            served.process.kill()
        assert done < batch.request_counts.completed < COUNT
        done = batch.request_counts.completed
    async with started(tmp_path, config) as served, await client_of(served) as client:
        batch = await followed(client, identifier, COUNT)
        assert batch.status == "completed"
        counts = {"total": COUNT, "completed": COUNT, "failed": 0}
        assert batch.request_counts.model_dump() == counts
        text = (await client.files.content(batch.output_file_id)).text
    answers = [json.loads(line) for line in text.splitlines()]
    assert [one["custom_id"] for one in answers] == [line["custom_id"] for line in LINES]
    assert all(one["response"]["status_code"] == 200 for one in answers)
