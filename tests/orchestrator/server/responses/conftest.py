"""A gateway over one scripted expert, and OpenAI's client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from scripted_chat import ScriptedChat, scripted_chat
from scripted_slot import PATIENCE_S


@pytest.fixture(scope="module")
async def chat() -> AsyncIterator[ScriptedChat]:
    async with scripted_chat() as running:
        yield running


@pytest.fixture(scope="module")
async def served(serve: Any, chat: ScriptedChat) -> Any:
    """A gateway over one scripted expert, and a vote of it."""
    return await serve(
        {"tiny": {"type": "openai", "base_url": chat.base_url, "model": "m"}},
        compositions={
            "pool/auto": {"router": "one"},
            "pool/vote": {
                "router": "one",
                "aggregator": {"type": "vote", "samples": 2, "stop_at": None},
            },
        },
    )


@pytest.fixture
async def client(served: Any, chat: ScriptedChat) -> AsyncIterator[openai.AsyncOpenAI]:
    chat.bodies.clear()
    chat.lined_up.clear()
    chat.breaks = False
    async with openai.AsyncOpenAI(
        base_url=f"{served.base_url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S
    ) as made:
        yield made
