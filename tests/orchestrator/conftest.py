"""Slots without processes, configurations made in memory, and gateways over them."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from openai import AsyncOpenAI
from scripted_slot import PATIENCE_S, ScriptedSlot

from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.request.pipeline import Pipeline
from orchestrator.residency.pool import ExpertPool, Lease
from orchestrator.server.app import make_app
from orchestrator.server.context import Context
from orchestrator.store import Store
from routers.base import Router
from routers.registry import build


class Rig:
    """A pool over scripted slots, with what a test needs to drive it."""

    def __init__(
        self,
        config: Config,
        sizes: Mapping[str, float],
        store: Store | None = None,
        sleeps: bool = False,
    ) -> None:
        self.slots = [ScriptedSlot(f"slot-{n}", sizes) for n in range(config.slots.count)]
        for slot in self.slots:
            slot.sleeps = sleeps
        self.slot = self.slots[0]
        self.events: list[str] = []
        self.health = 200
        self.canary_answers: list[str | Callable[[], httpx.Response]] = []
        self.canary_calls = 0
        self._tasks: list[asyncio.Task[Lease]] = []
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.pool = ExpertPool(config, list(self.slots), self.client, self.events.append, store)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/health"):
            return httpx.Response(self.health)
        self.canary_calls += 1
        answer = self.canary_answers.pop(0) if self.canary_answers else "as ever"
        return (
            httpx.Response(200, json={"choices": [{"text": answer}]})
            if isinstance(answer, str)
            else answer()
        )

    async def use(self, expert: str, request_class: str = "interactive") -> Lease:
        """Lease and give back at once."""
        with await self.lease(expert, request_class) as lease:
            return lease

    async def lease(self, expert: str, request_class: str = "interactive") -> Lease:
        async with asyncio.timeout(PATIENCE_S):
            return await self.pool.lease(expert, request_class)

    def using(self, expert: str, request_class: str = "interactive") -> "asyncio.Task[Lease]":
        self._tasks.append(asyncio.create_task(self.use(expert, request_class)))
        return self._tasks[-1]

    def leasing(self, expert: str, request_class: str = "interactive") -> "asyncio.Task[Lease]":
        self._tasks.append(asyncio.create_task(self.lease(expert, request_class)))
        return self._tasks[-1]

    async def settle(self) -> None:
        """Give every task that can go on the chance to; what still waits then, waits for us."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def done(self, task: "asyncio.Task[Lease]") -> Lease:
        return await asyncio.wait_for(task, PATIENCE_S)

    def told(self, words: str) -> list[str]:
        """The events that have these words."""
        return [event for event in self.events if words in event]

    def engine(self, name: str) -> dict[str, Any]:
        """What the snapshot says about an engine."""
        shown: dict[str, Any] = self.pool.snapshot()["loads"][name]
        return shown

    async def close(self) -> None:
        """End what a failed test left behind, too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pool.stop()
        await self.client.aclose()
        assert [mistake for slot in self.slots for mistake in slot.mistakes] == []

    def residents(self) -> list[list[str]]:
        return [slot["residents"] for slot in self.pool.snapshot()["slots"]]


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """A configuration of hosted experts: name -> GB, or name -> keys (`type: vllm` by default)."""

    def make(experts: Mapping[str, Any], **sections: Any) -> Config:
        specs = {
            name: {"type": "vllm", "model": f"org/{name}"}
            | ({"memory_gb": keys} if isinstance(keys, int | float) else keys)
            for name, keys in experts.items()
        }
        return Config.model_validate({"experts": specs, **sections})

    return make


@pytest.fixture
async def make_rig(make_config: Callable[..., Config]) -> AsyncIterator[Callable[..., Any]]:
    """Starts a pool: `await make_rig({"a": 1}, memory_gb=4, count=1, preload=False)`."""
    async with AsyncExitStack() as stack:

        async def make(
            experts: Mapping[str, Any],
            store: Store | None = None,
            classes: Mapping[str, Any] | None = None,
            start: bool = True,
            sleeps: bool = False,
            **slots: Any,
        ) -> Rig:
            config = make_config(
                experts, slots={"preload": False, **slots}, classes=dict(classes or {})
            )
            sizes = {n: getattr(s, "memory_gb", None) or 1.0 for n, s in config.experts.items()}
            rig = Rig(config, sizes, store, sleeps)
            stack.push_async_callback(rig.close)
            if start:
                await rig.pool.start()
            return rig

        yield make


class LengthEncoder:
    """Two numbers per text, of which the test knows the values."""

    name = "length"
    dimension = 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.array([len(text) for text in texts], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


class Gateway:
    """The application over its pool, served on a port of its own."""

    def __init__(
        self, config: Config, slots: list[ScriptedSlot], routers: Mapping[str, Router]
    ) -> None:
        self.slots = slots
        self.client = ExpertClient()
        self.pool = ExpertPool(config, list(slots), self.client, lambda event: None)
        self.pipeline = Pipeline(config, self.pool, routers)
        encoder = LengthEncoder()
        self.context = Context(
            config, self.pool, self.pipeline, encoder, self.client, routers.__getitem__
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = "http://{}:{}".format(*self._listener.getsockname())
        self._server = uvicorn.Server(
            uvicorn.Config(make_app(self.context), lifespan="off", ws="none", log_config=None)
        )
        self.http = httpx.AsyncClient(base_url=self.base_url, timeout=PATIENCE_S, trust_env=False)
        self.openai = AsyncOpenAI(
            base_url=f"{self.base_url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S
        )

    async def start(self) -> None:
        await self.pool.start()
        # What `serve` does, less its signal handlers and its clock.
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[self._listener])

    async def stop(self) -> None:
        await self.http.aclose()
        await self.openai.close()
        self._server.force_exit = True
        await self._server.shutdown(sockets=[self._listener])
        await self.pool.stop()
        await self.client.aclose()

    async def chat(self, script: str, model: str = "tiny", **body: Any) -> httpx.Response:
        """One chat completion, whole."""
        asked = {"model": model, "messages": [{"role": "user", "content": script}], **body}
        return await self.http.post("/v1/chat/completions", json=asked)

    async def settled(self) -> None:
        """Wait until no request is under way."""
        async with asyncio.timeout(PATIENCE_S):
            while self.context.metrics.in_flight:
                await asyncio.sleep(0)


@pytest.fixture(scope="session")
async def serve(upstream: Any) -> AsyncIterator[Callable[..., Any]]:
    """Starts a gateway: `await serve(experts={...}, routers={...}, server={...}, slots={...})`.

    Without arguments: the expert `tiny` on the scripted upstream, and `pool/auto` that asks it.
    A slot serves, as far as HTTP goes, from the upstream, too.
    """
    gateways: list[Gateway] = []

    async def start(
        experts: Mapping[str, Any] | None = None,
        routers: Mapping[str, Router] | None = None,
        **sections: Any,
    ) -> Gateway:
        tiny = {"type": "openai", "base_url": upstream.base_url, "model": "tiny-model"}
        config = Config.model_validate(
            {
                "experts": {"tiny": {**tiny, "about": "says words"}, **(experts or {})},
                "routers": {"one": {"type": "static", "expert": "tiny"}},
                "compositions": {"pool/auto": {"router": "one", "about": "asks tiny"}},
                **sections,
            }
        )
        count = config.slots.count if config.hosted() else 0
        slots = [ScriptedSlot(f"slot-{n}", defaultdict(lambda: 1.0)) for n in range(count)]
        for slot in slots:
            slot.url = upstream.base_url.removesuffix("/v1")
        names = tuple(config.experts)
        built = {n: build(n, s, names, LengthEncoder) for n, s in config.routers.items()}
        gateways.append(Gateway(config, slots, {**built, **(routers or {})}))
        await gateways[-1].start()
        return gateways[-1]

    yield start
    await asyncio.gather(*(gateway.stop() for gateway in gateways))


@pytest.fixture(scope="session")
async def gateway(serve: Callable[..., Any]) -> Any:
    """The gateway that most tests share."""
    return await serve()
