"""Leases on experts: a bounded queue before each, hosted and remote ones alike."""

import asyncio
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from experts import own_engines
from experts.engine import Engine, HasEndpoints
from experts.errors import ExpertOverloaded, ExpertTimeout
from experts.files.versions import told_versions
from experts.guarded import GuardedEngine
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.persona import with_persona
from experts.spec import ExpertSpecBase, OpenAISpec, OwnSpec, ReplaySpec, VllmSpec
from orchestrator.config.model import Config
from orchestrator.residency.engines import HostedEngine
from orchestrator.residency.machine.policy import Policy, decide
from orchestrator.residency.machine.state import FIRST, Phase
from orchestrator.residency.scheduler import Place, Scheduler
from orchestrator.residency.slot import Slot
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore

LATER = 1
"""The `priority` of requests without an age bound; that of others is 0."""
MOST_PLACES = 4096
"""Engines that are kept for their next request; slots that come back have new addresses."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one request to an expert, and what getting it took."""

    engine: Engine
    queue_ms: float
    load_ms: float
    slot: str | None
    release: Callable[[], None]
    """Gives the right back; call it once."""

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(slots=True)
class _Gate:
    """Bounds the requests of one expert that are under way and that wait."""

    permits: asyncio.Semaphore
    max_queued: int
    queued: int = 0


class ExpertPool:
    """Every expert of the configuration behind `lease`."""

    def __init__(
        self,
        config: Config,
        slots: list[Slot],
        client: ExpertClient,
        on_event: Callable[[str], None],
        store: Store | None = None,
        policy: Policy = decide,
    ) -> None:
        """Raises ConfigError where a recording is missing, or an engine of one's own is wrong."""
        self._experts = config.experts
        self._classes = config.classes
        self._client = client
        self._versions: dict[str, str] = {}
        """Expert -> what tells its answers from those of other weights; empty until asked for."""
        self._timeout_s = config.server.lease_timeout_s
        self._scheduler = Scheduler(
            config.hosted(), config.slots, slots, client, store or MemoryStore(), on_event, policy
        )
        self._engines = {name: self._scheduler.view.engine_of(name) for name in config.hosted()}
        self._remote = {
            name: with_persona(_remote_engine(name, spec, client), spec.system, spec.defaults.given)
            for name, spec in config.experts.items()
            if not spec.hosted
        }
        self._hosted: dict[tuple[str, str, bool], tuple[str | None, Engine]] = {}
        self._gates = {
            name: _Gate(asyncio.Semaphore(spec.max_in_flight), spec.max_queued)
            for name, spec in config.experts.items()
            if not spec.hosted
        }

    async def start(self, strict: bool = False) -> None:
        """Bring the slots up and load what fits. Raises ServiceError.

        An expert that cannot be loaded is marked as failed; if `strict`, it is ExpertUnavailable.
        """
        await self._scheduler.start(strict)

    def wind_down(self) -> None:
        """Load nothing any more: a service that stops waits for answers, not for loads."""
        self._scheduler.wind_down()

    async def stop(self) -> None:
        """End the slots' processes."""
        await self._scheduler.stop()

    async def lease(
        self,
        expert: str,
        request_class: str = "interactive",
        stage: int = FIRST,
        *,
        patient: bool = False,
    ) -> Lease:
        """Wait for a turn, load the expert if need be, and hold it until the lease is released.

        `stage` counts what a client's question takes: first answers, then what is made of them.

        Raises ExpertOverloaded when its queue is full, ExpertUnavailable when it cannot load,
        ExpertTimeout when both together take longer than `server.lease_timeout_s`, but for who is
        `patient`.
        """
        gate = self._gates.get(expert)
        if gate is not None and not gate.permits.locked():
            return await self._take_remote(expert)  # At once: there is nothing to time.
        try:
            async with asyncio.timeout(None if patient else self._timeout_s):
                return await self._take(expert, request_class, stage)
        except TimeoutError as error:
            raise ExpertTimeout(
                f"Expert {expert} was not free and loaded within {self._timeout_s:g} s.",
                expert=expert,
            ) from error

    async def _take(self, expert: str, request_class: str, stage: int) -> Lease:
        spec = self._experts[expert]
        if not spec.hosted:
            return await self._take_remote(expert)
        max_wait_s = self._classes[request_class].max_wait_s
        place = await self._scheduler.acquire(expert, max_wait_s, stage)
        engine = self._hosted_engine(expert, place, later=max_wait_s is None)
        release = partial(self._scheduler.release, place)
        return Lease(engine, place.queue_ms, place.load_ms, place.slot, release)

    def _hosted_engine(self, expert: str, place: Place, *, later: bool) -> Engine:
        """The engine of an expert where it lies now; made once for each place.

        In it, requests that may come `later` wait for those that may not.
        """
        key = (expert, place.url, later)
        token, engine = self._hosted.get(key, (None, None))
        if engine is None or token != place.token:
            spec = self._experts[expert]
            endpoint = Endpoint(expert, f"{place.url}/v1", expert, place.token)
            served = OpenAIEngine(endpoint, self._client)
            defaults = spec.defaults.given
            if later and isinstance(spec, VllmSpec):
                defaults = {"priority": LATER, **defaults}
            engine = with_persona(served, spec.system, defaults)
            self._hosted[key] = place.token, engine
            if len(self._hosted) > MOST_PLACES:
                self._hosted.pop(next(iter(self._hosted)))
        return engine

    async def _take_remote(self, expert: str) -> Lease:
        gate = self._gates[expert]
        if gate.permits.locked() and gate.queued >= gate.max_queued:
            raise ExpertOverloaded(
                f"{gate.queued} requests wait for expert {expert} already.", expert=expert
            )
        started = time.perf_counter()
        gate.queued += 1
        try:
            await gate.permits.acquire()
        finally:
            gate.queued -= 1
        queue_ms = 1000 * (time.perf_counter() - started)
        return Lease(self._remote[expert], queue_ms, 0.0, None, gate.permits.release)

    def choosing(self, request_class: str) -> AbstractContextManager[None]:
        """While it is found out which experts a request of the class will ask.

        Only of those without an age bound does anybody wait for others to gather.
        """
        unhurried = self._unhurried(request_class)
        return self._scheduler.choosing() if unhurried else nullcontext()

    def expect(self, expert: str, request_class: str) -> None:
        """A running request of the class will ask the expert later: it may be loaded ahead.

        To be taken back by `expect_no_more`, as soon as it asks, or when it is over.
        """
        if expert in self._engines:
            self._scheduler.expect(expert, self._unhurried(request_class))

    def expect_no_more(self, expert: str, request_class: str) -> None:
        """Of what was announced, one request has arrived, or never will."""
        if expert in self._engines:
            self._scheduler.expect_no_more(expert, self._unhurried(request_class))

    def follow(self, before: AbstractSet[str], now: AbstractSet[str]) -> None:
        """The engines of which a batch asks more as soon as they have answered, and used to.

        They stay while they have work for it, unless requests with an age bound need their room.
        """
        for engine in now - before:
            self._scheduler.follow(engine, 1)
        for engine in before - now:
            self._scheduler.follow(engine, -1)

    def resident(self) -> dict[str, str]:
        """The engines that are loaded, or on their way in, each with a slot of it."""
        replicas = (r for e in self._engines.values() for r in e.state.replicas)
        return {r.engine.name: r.slot.id for r in replicas if r.phase is not Phase.DRAINING}

    def _unhurried(self, request_class: str) -> bool:
        return self._classes[request_class].max_wait_s is None

    async def suspect(self, lease: Lease) -> None:
        """A request failed below HTTP: find out whether a slot or an engine of ours is gone."""
        if lease.slot is not None:
            await self._scheduler.suspect(lease.engine.name, lease.slot)

    def expert_url(self, expert: str) -> str | None:
        """Where an expert answers right now (ends with /v1); None when it is not resident."""
        spec = self._experts[expert]
        if isinstance(spec, OpenAISpec):
            return spec.base_url
        if not spec.hosted:
            return None
        endpoint = self._scheduler.view.endpoint(expert)
        return None if endpoint is None else f"{endpoint[0]}/v1"

    def slot_addresses(self) -> dict[str, tuple[str, str | None]]:
        """Slot -> the URL of its HTTP API, and the token that it wants, where it is up."""
        return self._scheduler.view.slot_addresses()

    def has_endpoints(self, expert: str) -> bool:
        """Whether the expert's engine is a server that offers more than answers."""
        return expert in self._engines or isinstance(self._remote[expert], HasEndpoints)

    def expert_api_key(self, expert: str) -> str | None:
        """What `expert_url` wants as bearer token; None where it wants none."""
        spec = self._experts[expert]
        if isinstance(spec, OpenAISpec):
            return spec.api_key
        endpoint = self._scheduler.view.endpoint(expert) if spec.hosted else None
        return None if endpoint is None else endpoint[1]

    def delay_s(self, expert: str) -> float:
        """Predicted seconds until a request to the expert could begin: 0 when it is resident."""
        return 0.0 if expert in self._gates else self._scheduler.view.delay_s(expert)

    def doing(self, expert: str) -> str:
        """What keeps a request to the expert waiting, in a few words."""
        if gate := self._gates.get(expert):
            return f"{expert} waits for its turn, {gate.queued} in the queue"
        return self._scheduler.view.doing(expert)

    @property
    def failed(self) -> dict[str, str]:
        """The experts whose last load failed, each with the reason."""
        return self._scheduler.view.failed()

    @property
    def out_of_reach(self) -> frozenset[str]:
        """The experts whose last load failed, until it is time to try that again."""
        now = time.monotonic()
        engines = self._engines.items()
        return frozenset(name for name, engine in engines if _is_out_of_reach(name, engine, now))

    def snapshot(self) -> dict[str, Any]:
        """Slots, residents, loads and queues as plain JSON."""
        remote = {name: gate.queued for name, gate in self._gates.items()}
        return {
            **self._scheduler.view.snapshot(),
            "queued": {**self._scheduler.view.queued(), **remote},
            "versions": self._versions,
        }

    async def refresh(self) -> None:
        """Bring the numbers of `snapshot` up to date."""
        await self._scheduler.refresh()
        if not self._versions:
            # In a thread: it reads the first and last bytes of every model.
            self._versions = await asyncio.to_thread(told_versions, self._experts)


def _is_out_of_reach(expert: str, engine: HostedEngine, now: float) -> bool:
    """Whether a request for the expert would be refused because a load has failed."""
    state = engine.queue.state
    if state.replicas:
        return expert in engine.refused
    return state.failed is not None and state.retry_at > now


def _remote_engine(name: str, spec: ExpertSpecBase, client: ExpertClient) -> Engine:
    """The engine of an expert that none of our slots runs. Raises ConfigError."""
    if isinstance(spec, ReplaySpec):
        # Imported here: only evaluations need recordings, and pyarrow, which reads them.
        from experts.replay import ReplayEngine, recording  # noqa: PLC0415

        return ReplayEngine(name, recording(spec.recording, spec.model))
    if isinstance(spec, OwnSpec):
        return GuardedEngine(own_engines.build(name, spec))
    assert isinstance(spec, OpenAISpec)
    where = (spec.base_url, spec.model, spec.api_key, spec.timeout_s, spec.traced)
    endpoint = Endpoint(name, *where)
    return OpenAIEngine(endpoint, client)
