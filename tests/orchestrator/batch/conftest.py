"""A whole service over recorded answers, with a store of each kind, and the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from batch_lines import tree

from orchestrator.config.model import Config
from orchestrator.service import Service, start_service


@pytest.fixture
async def serve(recording: str) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Starts services, and stops those that are left."""
    running: list[Service] = []

    async def start(**keys: Any) -> Service:
        config = Config.model_validate(tree(recording, **keys))
        service = await start_service(config, on_event=lambda words: None, port=0)
        running.append(service)
        return service

    yield start
    for service in running:
        await service.stop()
