"""Stores of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.base import Store
from orchestrator.store.opening import open_store


@pytest.fixture
async def stores() -> AsyncIterator[Callable[[str], Awaitable[Store]]]:
    """Opens stores, and closes them after the test; ask for it before `make_rig`."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str) -> Store:
            store = await open_store(url)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of store."""
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        return url
    return "memory" if request.param == "memory" else f"sqlite:{tmp_path / 'store.db'}"


@pytest.fixture
async def store(store_url: str, stores: Any) -> Store:
    opened: Store = await stores(store_url)
    return opened
