"""One running coterie over the real zoo for all end-to-end tests."""

from collections.abc import AsyncIterator

import httpx
import pytest
from openai import AsyncOpenAI
from repository import ROOT

from orchestrator.config.model import load_config
from orchestrator.service import Service, start_service

ZOO = ROOT / "examples" / "zoo.yaml"


@pytest.fixture(scope="session")
async def service() -> AsyncIterator[Service]:
    running = await start_service(load_config(ZOO), on_event=print, port=0)
    yield running
    await running.stop()


@pytest.fixture(scope="session")
async def client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{service.base_url}/v1", api_key="none", max_retries=0, timeout=60
    ) as openai:
        yield openai


@pytest.fixture(scope="session")
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60) as plain:
        yield plain
