"""A shared pool in one process: scripted slots, their controller, and several gateways."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import httpx
from scripted_slot import PATIENCE_S, ScriptedSlot

from experts.openai import ExpertClient
from experts.spec import HostedSpec
from orchestrator.config.model import Config
from orchestrator.residency.scheduler import Place
from orchestrator.residency.shared import messages as told
from orchestrator.residency.shared.controller import Controller
from orchestrator.residency.shared.gateway import SharedScheduler
from orchestrator.residency.shared.lender import Lender
from orchestrator.residency.shared.link import Away
from orchestrator.store.memory_store import MemoryStore

SIZES = {"a": 3.0, "b": 3.0, "c": 3.0}


def shared_config(count: int = 1, limit: int = 8, **keys: Any) -> Config:
    experts = {
        name: {"type": "vllm", "model": "nowhere", "memory_gb": 3.0, "max_in_flight": limit}
        for name in SIZES
    }
    return Config.model_validate(
        {
            "version": 1,
            "experts": experts,
            "slots": {"count": count, "memory_gb": 4.0, "preload": False, "canary_tokens": 0}
            | keys,
        }
    )


class DirectLink:
    """The way to a controller in this process, which a test may cut."""

    def __init__(self, rig: "SharedRig") -> None:
        self._rig = rig
        self.cut = False
        self.calls = 0

    def _controller(self) -> Controller:
        self.calls += 1
        if self.cut or self._rig.controller is None:
            raise Away("cut")
        return self._rig.controller

    async def hello(self, hello: told.Hello) -> None:
        await self._controller().hello(hello)

    async def report(self, who: told.Who, batch: int, events: Sequence[told.Event]) -> None:
        self._controller().report(who, batch, events)

    async def listen(self, who: told.Who, heard: int) -> Sequence[tuple[int, told.Message]]:
        controller = self._controller()
        news = await controller.listen(who, heard)
        if self.cut or self._rig.controller is not controller:
            raise Away("cut")
        return news

    async def reconfigure(
        self, who: told.Who, specs: Mapping[str, HostedSpec], renewed: Collection[str]
    ) -> None:
        await self._controller().reconfigure(who, specs, renewed)

    async def goodbye(self, gateway: str) -> None:
        self._controller().goodbye(gateway)

    async def suspect(self, expert: str, slot: str) -> bool:
        return await self._controller().suspect(expert, slot)

    async def refresh(self) -> None:
        await self._controller().refresh()


class SharedRig:
    """Slots, a controller, gateways."""

    def __init__(self, config: Config, sizes: dict[str, float]) -> None:
        self.config = config
        self.slots = [ScriptedSlot(f"slot-{n}", sizes) for n in range(config.slots.most)]
        self.events: list[str] = []
        self.broken_off: list[str] = []
        """Where gateways want no answers any more."""
        self.client = httpx.AsyncClient(
            transport=httpx.MockTransport(
                lambda _: httpx.Response(200, json={"choices": [{"text": "as ever"}]})
            )
        )
        self.controller: Controller | None = None
        self.gateways: list[SharedScheduler] = []
        self.links: list[DirectLink] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def begin(self) -> None:
        """A controller comes, as Ray starts it, or starts it again."""

        def make(say: Callable[[str], None], changed: Callable[[], None]) -> Lender:
            client = cast("ExpertClient", self.client)
            specs, slots = self.config.hosted(), self.config.slots
            store = MemoryStore()
            return Lender(specs, slots, list(self.slots), client, store, say, changed=changed)

        self.controller = Controller(make, "a pool", self.config.hosted())
        self._tasks.append(asyncio.create_task(self.controller.start()))

    def kill(self) -> None:
        """The controller is no more; nothing is told, nothing is ended."""
        assert self.controller is not None
        controller, self.controller = self.controller, None
        self._tasks.append(asyncio.create_task(_forgotten(controller)))

    async def join(self) -> SharedScheduler:
        """One more gateway."""
        link = DirectLink(self)
        gateway = SharedScheduler(
            self.config.hosted(),
            self.config.slots,
            link,
            "a pool",
            self.events.append,
            self.broken_off.append,
        )
        self.links.append(link)
        self.gateways.append(gateway)
        await gateway.start()
        return gateway

    async def acquire(
        self, gateway: SharedScheduler, expert: str, max_wait_s: float | None = 10.0
    ) -> Place:
        async with asyncio.timeout(PATIENCE_S):
            return await gateway.acquire(expert, max_wait_s)

    def acquiring(
        self, gateway: SharedScheduler, expert: str, max_wait_s: float | None = 10.0
    ) -> "asyncio.Task[Place]":
        self._tasks.append(asyncio.create_task(self.acquire(gateway, expert, max_wait_s)))
        return self._tasks[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what will be true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for gateway in self.gateways:
            await gateway.stop()
        if self.controller is not None:
            await self.controller.stop()
        await self.client.aclose()
        assert [mistake for slot in self.slots for mistake in slot.mistakes] == []


async def _forgotten(controller: Controller) -> None:
    """Its process is gone: whatever it had begun to do goes no further."""
    for task in controller._tasks:
        task.cancel()
    scheduler = controller._scheduler
    scheduler._live = False
    if scheduler._timer is not None:
        scheduler._timer.cancel()
    await scheduler._transitions.stop()
    watchers = scheduler._upkeep._supervisor._watchers.values()
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
