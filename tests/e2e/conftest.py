"""One running coterie over the real zoo for all end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from openai import AsyncOpenAI
from repository import ROOT

from orchestrator.config.model import load_config
from orchestrator.service import Service, start_service

ZOO = ROOT / "examples" / "zoo.yaml"


APART = ("batches", "cluster", "console", "deploy", "gateways", "reload")
"""Folders whose tests start processes of their own, and mostly wait for them."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in this hook, too.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two workers, one has the zoo's service, and whoever starts an engine in its process."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            alone = item.path.relative_to(here).parts[0] in APART
            apart = alone and "service" not in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("apart" if apart else "zoo"))


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
