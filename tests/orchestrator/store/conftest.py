"""Stores of every kind, and a real redis-server."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis_process import RedisServer

from orchestrator.store.base import Store
from orchestrator.store.opening import open_store


@pytest.fixture(scope="session")
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], RedisServer]]:
    binary = shutil.which("redis-server")
    if binary is None:
        installable = shutil.which("apt-get") is not None and os.getuid() == 0
        # The same question that deploy/install-redis.sh asks.
        (pytest.fail if installable else pytest.skip)("redis-server is missing: `make redis`")
    with ExitStack() as stack:

        def start() -> RedisServer:
            assert binary is not None
            server = RedisServer(binary, tmp_path_factory.mktemp("redis"))
            stack.callback(server.end)
            return server

        yield start


@pytest.fixture(scope="session")
def redis_url(start_redis: Callable[[], RedisServer]) -> str:
    """The server that most tests share; every test has its own keys in it."""
    return start_redis().url


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
    return "memory" if request.param == "memory" else f"sqlite:{tmp_path / 'deep' / 'store.db'}"


@pytest.fixture
async def store(store_url: str, stores: Any) -> Store:
    opened: Store = await stores(store_url)
    return opened
