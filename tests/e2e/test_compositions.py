"""The zoo's compositions that choose several experts, or nobody."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from evals.tasks.task import load_tasks

pytestmark = pytest.mark.e2e


async def ask(client: AsyncOpenAI, model: str, question: str, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": question}]
    return await client.chat.completions.create(
        model=model, messages=messages, temperature=0, max_tokens=32, **more
    )


async def test_a_panel_is_recruited_by_the_skills_of_the_question(client: AsyncOpenAI) -> None:
    body = {"coterie": {"explain": True}}
    answer = await ask(client, "pool/symbolic", "What is 12 + 35?", extra_body=body)
    assert answer.choices[0].message.content == "47"
    told = answer.coterie
    assert told["panel"] == ["arithmetic"]  # Nobody else knows the skill.
    assert "arithmetic" in told["evidence"]["skills"]
    # The tagger's samples and one answer, which leaves nothing to put together.
    assert set(told["usage"]) == {"generalist", "arithmetic"}
    assert answer.usage.completion_tokens > 3


async def test_a_panel_streams(client: AsyncOpenAI) -> None:
    stream = await ask(client, "pool/symbolic", "What is 12 + 35?", stream=True)
    pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    assert "".join(pieces) == "47"


async def test_a_category_has_its_expert_and_the_foreign_has_none(client: AsyncOpenAI) -> None:
    answer = await ask(client, "pool/coe", "What is 12 + 35?")
    assert answer.coterie["expert"] == "arithmetic"
    foreign = load_tasks(["foreign"])["foreign"].samples("test")
    answers = [await ask(client, "pool/coe", sample.question) for sample in foreign[:10]]
    assert sum(one.coterie["fallback"] == "abstain" for one in answers) >= 8
