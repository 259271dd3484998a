"""A pool over scripted slots, with what a test needs to drive it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httpx
from scripted_slot import PATIENCE_S, ScriptedSlot

from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.residency.pool import ExpertPool, Lease
from orchestrator.store.base import Store


class _Client(httpx.AsyncClient):
    """Notes where no answer is wanted any more."""

    broken_off: tuple[str, ...] = ()

    def break_off(self, url: str) -> None:
        self.broken_off += (url,)


class Rig:
    """A pool over scripted slots, with what a test needs to drive it."""

    def __init__(
        self,
        config: Config,
        sizes: dict[str, float],
        store: Store | None = None,
        sleeps: bool = False,
    ) -> None:
        self.slots = [ScriptedSlot(f"slot-{n}", sizes) for n in range(config.slots.most)]
        for slot in self.slots:
            slot.sleeps = sleeps
        self.slot = self.slots[0]
        self.sizes = sizes
        self.config = config
        self.events: list[str] = []
        self.health = 200
        self.canary_answers: list[str | Callable[[], httpx.Response]] = []
        self.canary_calls = 0
        self._tasks: list[asyncio.Task[Lease]] = []
        self.client = _Client(transport=httpx.MockTransport(self._answer))
        client = cast("ExpertClient", self.client)  # No hosted expert is asked through it.
        self.pool = ExpertPool(config, list(self.slots), client, self.events.append, store)

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

    async def become(self, config: Config) -> None:
        """Be the pool of another configuration, from the next request on."""
        self.sizes.update({n: spec.memory_gb or 1.0 for n, spec in config.hosted().items()})
        pool = self.pool.successor(config)
        await self.pool.reconfigure(config.hosted())
        self.pool, self.config = pool, config

    def becoming(self, config: Config) -> "asyncio.Task[None]":
        return asyncio.create_task(self.become(config))

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
