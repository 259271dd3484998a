"""A batch over the real zoo: experts, compositions and a panel in one file, beside live traffic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from evals.tasks.task import load_tasks

pytestmark = pytest.mark.e2e

MODELS = ("pool/auto", "pool/vote", "geography", "arithmetic")
ENDED = ("completed", "failed", "expired", "cancelled")


def lines() -> dict[str, tuple[str, Any]]:
    """By id: the line, and the right answer."""
    samples = [
        (task, sample)
        for task in ("arithmetic", "geography", "units")
        for sample in load_tasks()[task].samples("test")[:20]
    ]
    found = {}
    for number, (task, sample) in enumerate(samples):
        model = MODELS[number % 2] if task == "units" else MODELS[number % 2 * 2]
        model = task if model == "geography" and task == "arithmetic" else model
        body = {
            "model": model,
            "messages": [{"role": "user", "content": sample.question}],
            "max_tokens": 32,
            "temperature": 0,
        }
        line = {
            "custom_id": sample.id,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": body,
        }
        found[sample.id] = json.dumps(line), sample.answer
    return found


async def test_a_mixed_file_is_answered_as_its_requests_would_be(client: AsyncOpenAI) -> None:
    asked = lines()
    content = "\n".join(line for line, _ in asked.values()).encode()
    file = await client.files.create(file=("zoo.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    live = await client.chat.completions.create(
        model="pool/auto",
        messages=[{"role": "user", "content": "What is 12 + 35?"}],
        temperature=0,
        max_tokens=32,
    )
    assert live.choices[0].message.content == "47"
    while batch.status not in ENDED:
        batch = await client.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.completed == len(asked)
    text = (await client.files.content(batch.output_file_id or "")).text
    answers = {one["custom_id"]: one for one in map(json.loads, text.splitlines())}
    assert answers.keys() == asked.keys()
    said = {
        name: one["response"]["body"]["choices"][0]["message"]["content"].strip()
        for name, one in answers.items()
    }
    right = sum(said[name] == answer for name, (_, answer) in asked.items())
    assert right / len(asked) > 0.9
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    # All experts fit, and this pool has loaded them.
    told = batch.coterie  # type: ignore[attr-defined]
    assert told["predicted"]["loads"] == told["real"]["loads"] == 0
