"""Whole services over recorded answers, whose limits keep to a clock that stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from batch_lines import tree

from orchestrator.config.model import Config
from orchestrator.keys.counters import Counters
from orchestrator.service import start_service

NOON = 1_800_014_400.0
"""A whole minute."""


class Clock:
    """A time that tests turn."""

    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def start(
    recording: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Starts services: `await start(keys={...}, store=..., server={...})`."""
    monkeypatch.setattr("orchestrator.service.beside.Counters", partial(Counters, clock=clock))
    running: list[Any] = []

    async def one(keys: Any, store: str = "memory", **server: Any) -> Any:
        config = tree(recording, store=store, server={"api_keys": keys, **server})
        config["experts"]["sums"]["price_usd_per_mtok"] = 5
        service = await start_service(
            Config.model_validate(config), on_event=lambda words: None, port=0
        )
        running.append(service)
        return service

    yield one
    for service in running:
        await service.stop()
