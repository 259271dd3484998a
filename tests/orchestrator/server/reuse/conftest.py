"""Gateways that keep answers, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]


@pytest.fixture(scope="session")
async def cached(serve: Any) -> Any:
    """A gateway with a cache; every test has its own questions."""
    return await serve(
        server={"cache": {}},
        compositions={"pool/auto": {"router": "one"}},
    )


@pytest.fixture(scope="session")
def ask() -> Ask:
    """One repeatable chat: `await ask(gateway, SCRIPT, headers={...}, **fields)`."""

    async def chat(gateway: Any, script: str, **more: Any) -> Any:
        headers = more.pop("headers", {})
        body = {"model": "tiny", "messages": [{"role": "user", "content": script}]}
        body |= {"temperature": 0, **more}
        return await gateway.http.post("/v1/chat/completions", json=body, headers=headers)

    return chat
