"""The application over a pool of scripted slots, served on a port of its own."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray
from openai import AsyncOpenAI
from scripted_slot import PATIENCE_S, ScriptedSlot

from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.request.pipeline import Pipeline
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.app import make_app
from orchestrator.server.context import Context
from orchestrator.server.reuse.starting import reuse_of
from orchestrator.server.telemetry.telemetry import start_telemetry
from orchestrator.server.wire.protocol import LISTENER
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from routers.base import Router


class LengthEncoder:
    """Two numbers per text, of which the test knows the values."""

    name = "length"
    dimension = 2
    window = 8
    vocabulary = 256
    frame: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.array([len(text) for text in texts], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def token_ids(self, text: str, at_most: int) -> list[int]:
        return [ord(letter) for letter in text][:at_most]

    def encode_ids(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        return self.encode(["." * len(ids) for ids in windows])


class Gateway:
    """The application over its pool, served on a port of its own."""

    def __init__(
        self,
        config: Config,
        slots: list[ScriptedSlot],
        routers: Mapping[str, Router],
        store: Store | None = None,
    ) -> None:
        self.slots = slots
        self.client = ExpertClient()
        self.pool = ExpertPool(config, list(slots), self.client, lambda event: None)
        self.pipeline = Pipeline(config, self.pool, routers, encoder=LengthEncoder)
        make_router = routers.__getitem__
        self._held = AsyncExitStack()
        telemetry = start_telemetry(config, self._held)
        telemetry.watch_slots(config, self.pool.slot_addresses, self.client)
        store = store or MemoryStore()
        self.counters = Counters(store, config.server.limits)
        keys = KeyRing(config.server, self.counters)
        self.context = Context(config, self.pool, self.pipeline, make_router, keys, telemetry)
        self.reuse = reuse_of(config, store)
        telemetry.watch_reuse(self.reuse.counts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = "http://{}:{}".format(*self._listener.getsockname())
        # Tests read the logs.
        settings = {**LISTENER, "log_config": None, "log_level": None}
        self.app = make_app(self.context, self.reuse.idempotency)
        self._server = uvicorn.Server(uvicorn.Config(self.app, **settings))
        self.http = httpx.AsyncClient(base_url=self.base_url, timeout=PATIENCE_S, trust_env=False)
        self.openai = AsyncOpenAI(
            base_url=f"{self.base_url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S
        )

    async def start(self) -> None:
        await self.pool.start()
        answers = await self.reuse.answers(self.context.config, self.pipeline)
        self.context = self.app.context = replace(self.context, answers=answers)
        # What `serve` does, less its signal handlers and its clock.
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[self._listener])

    async def stop(self) -> None:
        await self.http.aclose()
        await self.openai.close()
        self._server.force_exit = True
        await self._server.shutdown(sockets=[self._listener])
        if self.reuse.idempotency is not None:
            await self.reuse.idempotency.stop()
        await self.pool.stop()
        await self.client.aclose()
        await self._held.aclose()

    async def chat(self, script: str, model: str = "tiny", **body: Any) -> httpx.Response:
        """One chat completion, whole."""
        asked = {"model": model, "messages": [{"role": "user", "content": script}], **body}
        return await self.http.post("/v1/chat/completions", json=asked)

    def cancel_requests(self) -> None:
        """What uvicorn does at its end to the requests that outlast its patience."""
        for task in self._server.server_state.tasks:
            task.cancel()

    async def settled(self) -> None:
        """Wait until no request is under way."""
        async with asyncio.timeout(PATIENCE_S):
            while self.context.metrics.in_flight:
                await asyncio.sleep(0)
