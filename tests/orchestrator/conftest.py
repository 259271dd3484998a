"""Slots without processes, configurations made in memory, and gateways over them."""

import asyncio
import math
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

from experts.openai import ExpertClient
from experts.vllm.loads import EngineLoad, LoadReport
from orchestrator.config.model import Config
from orchestrator.request.pipeline import Pipeline
from orchestrator.residency.pool import ExpertPool, Lease
from orchestrator.residency.slot import SlotLost
from orchestrator.server.app import make_app
from orchestrator.server.context import Context
from orchestrator.store import Store
from routers.base import Router
from routers.registry import build

PATIENCE_S = 5.0


class ScriptedSlot:
    """A `Slot` in memory: its loads wait where a test holds them, and `die` ends its process."""

    def __init__(self, slot_id: str, sizes: Mapping[str, float]) -> None:
        self.id = slot_id
        self.sleeps = False
        self.load_blocks = True
        self.token: str | None = None
        self.url = f"http://{slot_id}.test"
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.sleeping: list[tuple[str, int]] = []
        self.woken: list[str] = []
        self.base_gb, self.budget_gb = 0.0, math.inf
        self.leaks_gb = 0.0
        """What every engine leaves behind."""
        self.mistakes: list[str] = []
        """Calls that a real slot would not survive."""
        self.starts = 0
        self.stopped = False
        self.overruns: set[str] = set()
        """Engines whose load takes longer than anybody waits for it, and works in the end."""
        self.watch_errors: list[Exception] = []
        self.load_errors: dict[str, list[Exception]] = defaultdict(list)
        self.start_errors: list[Exception] = []
        self.memory_errors: list[Exception] = []
        self.unload_errors: list[Exception] = []
        self.wake_errors: list[Exception] = []
        self.may_start = asyncio.Event()
        self.may_start.set()
        self._sizes = sizes
        self._residents: list[str] = []
        self._asleep: list[str] = []
        self._failed: set[str] = set()
        self._lost_gb = 0.0
        self._moving: list[tuple[str, asyncio.Event]] = []
        self._dead = asyncio.Event()
        self._holds: dict[str, asyncio.Event] = {}
        self._seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def start(self) -> str:
        self._see("start")
        await self.may_start.wait()
        _raise_next(self.start_errors)
        self.starts += 1
        self._dead = asyncio.Event()
        return self.url

    async def load(self, load: EngineLoad) -> LoadReport:
        self.loads.append(load.expert)
        await self._moves("load", load.expert, self._holds.get(load.expert))
        if self.load_errors[load.expert]:
            self._failed.add(load.expert)
        _raise_next(self.load_errors[load.expert])
        if load.expert in self._residents + self._asleep:
            self.mistakes.append(f"{load.expert} is there already")
        self._come(load.expert)
        if load.expert in self.overruns:
            raise TimeoutError
        return LoadReport(0.5, self._sizes[load.expert])

    async def unload(self, engine: str) -> float:
        await self._moves("unload", engine, self._holds.get(f"unload {engine}"))
        _raise_next(self.unload_errors)
        self.unloads.append(engine)
        self._forget(engine)
        return 0.1

    async def sleep(self, engine: str, level: int) -> float:
        await self._moves("sleep", engine, None)
        self.sleeping.append((engine, level))
        self._forget(engine)
        self._asleep.append(engine)
        return 0.05

    async def wake(self, engine: str) -> float:
        self.woken.append(engine)
        await self._moves("wake", engine, self._holds.get(engine))
        if engine not in self._asleep:
            self.mistakes.append(f"{engine} does not sleep")
        self._asleep.remove(engine)
        _raise_next(self.wake_errors)
        self._come(engine)
        return 0.2

    async def memory_gb(self) -> float:
        await self._alive_until(None)
        _raise_next(self.memory_errors)
        return self.base_gb + self._lost_gb + sum(self._sizes[name] for name in self._residents)

    async def running(self) -> dict[str, int]:
        await self._alive_until(None)
        return dict.fromkeys(self._residents, 0)

    async def lost(self) -> None:
        _raise_next(self.watch_errors)
        await self._dead.wait()

    async def stop(self) -> None:
        self.stopped = True
        self.die()

    def die(self) -> None:
        """End the process, with all that was resident."""
        self._residents.clear()
        self._asleep.clear()
        self._lost_gb = 0.0
        self._dead.set()

    def hold(self, engine: str) -> None:
        """Loads of this engine wait until `release`; `unload ENGINE` holds the other way."""
        self._holds[engine] = asyncio.Event()

    def release(self, engine: str) -> None:
        self._holds.pop(engine).set()

    async def saw(self, call: str) -> None:
        """Wait for the next `start`, or `load ENGINE` and so on, or take the one that was."""
        await asyncio.wait_for(self._seen[call].wait(), PATIENCE_S)
        self._seen[call].clear()

    def _come(self, engine: str) -> None:
        self._residents.append(engine)
        if sum(self._sizes[name] for name in self._residents) > self.budget_gb:
            self.mistakes.append(f"{self._residents} are too many")

    def _forget(self, engine: str) -> None:
        if engine in self._failed and engine not in self._residents:
            return  # What failed to load may have left something, and an unload makes sure.
        if engine not in self._residents:
            self.mistakes.append(f"{engine} is not there")
        self._residents.remove(engine)
        self._lost_gb += self.leaks_gb

    async def _moves(self, verb: str, engine: str, go_on: asyncio.Event | None) -> None:
        """One such thing at a time, says the book of a slot."""
        self._see(f"{verb} {engine}")
        this = (f"{verb} {engine}", self._dead)
        during = [call for call, process in self._moving if process is self._dead]
        self.mistakes += [f"{this[0]} during {call}" for call in during]
        self._moving.append(this)
        try:
            await self._alive_until(go_on)
        finally:
            self._moving.remove(this)

    def _see(self, call: str) -> None:
        self._seen[call].set()

    async def _alive_until(self, go_on: asyncio.Event | None) -> None:
        dead = self._dead  # A restart makes a new one, and this call dies with its process.
        if go_on is not None:
            ends = [asyncio.create_task(e.wait()) for e in (go_on, dead)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
        if dead.is_set():
            raise SlotLost(f"Slot {self.id} lost its process.")


def _raise_next(errors: list[Exception]) -> None:
    if errors:
        raise errors.pop(0)


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
