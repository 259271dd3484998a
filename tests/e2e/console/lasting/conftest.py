"""A service of scripted experts that can be stopped and started again at the same address."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from visitor import KEY, Visitor

from orchestrator.config.model import Config
from orchestrator.service import Service, start_service

BOSS = "sk-boss-0123456789"


class House:
    """The service, and what its administrator does."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._service: Service | None = None
        self.base_url = ""

    async def start(self) -> None:
        port = urlsplit(self.base_url).port or 0
        self._service = await start_service(self._config, on_event=print, port=port)
        self.base_url = self._service.base_url

    async def stop(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            await service.stop()

    async def become(self, *experts: str) -> None:
        """Another pool, of the same kind of experts, at the same address."""
        await self.stop()
        one = next(iter(self._config.experts.values()))
        pool = {name: one.model_copy(update={"model": "tiny"}) for name in experts}
        self._config = self._config.model_copy(update={"experts": pool})
        await self.start()

    async def ask(self, method: str, path: str, **settings: Any) -> dict[str, Any]:
        """A call of the administrator."""
        headers = {"authorization": f"Bearer {BOSS}"}
        async with httpx.AsyncClient(base_url=self.base_url, headers=headers) as http:
            response = await http.request(method, path, **settings)
        told: dict[str, Any] = response.raise_for_status().json()
        return told


@pytest.fixture
async def house(upstream: Any) -> AsyncIterator[House]:
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "about": "obeys", "model": name}
        for name in ("tiny", "other")
    }
    keys = {"visitor": {"key": KEY}, "boss": {"key": BOSS, "admin": True}}
    tree = {"experts": experts, "server": {"api_keys": keys}, "store": "memory"}
    made = House(Config.model_validate(tree))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def visitor(house: House, visit: Any) -> Visitor:
    """Somebody with a key, at the chat."""
    one: Visitor = await visit(house.base_url, key=KEY)
    await one.open()
    return one
