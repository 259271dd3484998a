"""Stores of every kind."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis_process import RedisServer, certificate_in

from orchestrator.store.base import Store
from orchestrator.store.opening import open_store

RIGHTS = (
    *("on", ">word", "~coterie:*"),
    *("-@all", "+@read", "+@write", "+@scripting", "+@connection", "-@dangerous"),
)
"""What docs/operations.md tells to give a user, and nothing else."""


@pytest.fixture
async def stores() -> AsyncIterator[Callable[[str], Awaitable[Store]]]:
    """Opens stores, and closes them after the test; ask for it before `make_rig`."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str) -> Store:
            store = await open_store(url)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of a server on this machine, and its key."""
    return certificate_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def redis_urls(
    start_redis: Callable[..., RedisServer], certificate: tuple[Path, Path]
) -> Callable[[str], str]:
    """The URL of a server of each kind that people run; every test has its own keys in it."""

    @functools.cache
    def url(kind: str) -> str:
        if kind == "password":
            return start_redis(options=("--requirepass", "p@ss"), user=":p%40ss").url
        if kind == "user":
            server = start_redis(options=("--user", "coterie", *RIGHTS), user="coterie:word")
            return server.url
        assert kind == "tls"
        return start_redis(certificate=certificate).url

    return url


@pytest.fixture(params=["memory", "sqlite", "redis", "redis password", "redis user", "redis tls"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of store."""
    kind, _, what = request.param.partition(" ")
    if kind == "redis":
        if what:
            return str(request.getfixturevalue("redis_urls")(what))
        return str(request.getfixturevalue("redis_url"))
    return "memory" if kind == "memory" else f"sqlite:{tmp_path / 'store.db'}"


@pytest.fixture
async def store(store_url: str, stores: Any) -> Store:
    opened: Store = await stores(store_url)
    return opened
