"""Leases on experts: a bounded queue before each, hosted and remote ones alike."""

import asyncio
import copy
import time
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from experts.engine import Engine, HasEndpoints
from experts.errors import (
    ExpertError,
    ExpertLost,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
    ExpertUnavailable,
)
from experts.files.versions import told_versions
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.persona import with_persona
from experts.spec import (
    ExpertSpec,
    HostedSpec,
    OpenAISpec,
    VllmSpec,
)
from orchestrator.config.model import Config
from orchestrator.residency.asking.gate import Gate
from orchestrator.residency.asking.health import Health, is_failure
from orchestrator.residency.asking.lengths import Lengths
from orchestrator.residency.asking.remote import remote_engine
from orchestrator.residency.changing.happenings import Happenings
from orchestrator.residency.machine.policy import Policy, decide
from orchestrator.residency.machine.state import FIRST
from orchestrator.residency.scheduler import Place, Scheduler
from orchestrator.residency.shared.gateway import SharedScheduler
from orchestrator.residency.slot import Slot
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore

LATER = 1
"""The `priority` of requests without an age bound; that of others is 0."""
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
"""Of who is patient, before a queue that is full."""
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
    trial: int | None = None
    """Its number, where the request finds out whether an expert that has failed answers again."""

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


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
        shared: SharedScheduler | None = None,
    ) -> None:
        """`shared`: the slots are those of several gateways.

        Raises ConfigError where a recording is missing, or an engine of one's own is wrong.
        """
        self._client = client
        self._scheduler = shared or Scheduler(
            config.hosted(), config.slots, slots, client, store or MemoryStore(), on_event, policy
        )
        self._health = Health(config.server.breaker)
        self._experts: dict[str, ExpertSpec] = {}
        self._remote: dict[str, Engine] = {}
        self._gates: dict[str, Gate] = {}
        self._describe(config)

    def _describe(self, config: Config) -> None:
        """Be the pool of a configuration; remote experts that it leaves as they were stay."""
        experts, remote, gates = self._experts, self._remote, self._gates
        self._experts, self._remote, self._gates = dict(config.experts), {}, {}
        self._classes = config.classes
        self._timeout_s = config.server.lease_timeout_s
        self._is_hosted = frozenset(config.hosted())
        self._versions: dict[str, str] = {}
        """Expert -> what tells its answers from those of other weights; empty until asked for."""
        self._hosted: dict[tuple[str, str, bool], tuple[str | None, Engine]] = {}
        self._health.adopt(config.server.breaker)
        for name in experts:
            if experts[name] != config.experts.get(name):
                self._health.forget(name)
        for name, spec in config.experts.items():
            if spec.hosted:
                continue
            if experts.get(name) == spec:
                self._remote[name], self._gates[name] = remote[name], gates[name]
                continue
            engine = remote_engine(name, spec, self._client)
            self._remote[name] = with_persona(engine, spec.system, spec.defaults.given)
            self._gates[name] = Gate(name, spec.max_in_flight, spec.max_queued)
        self._lengths = Lengths(config.experts, self._remote)

    def successor(self, config: Config) -> "ExpertPool":
        """The pool as another configuration describes it, over the same slots.

        Both serve: requests that have begun with one go on with it. What the slots hold is changed
        by `reconfigure` alone. Raises ConfigError as the constructor does.
        """
        pool = copy.copy(self)
        pool._describe(config)
        return pool

    async def reconfigure(
        self, specs: Mapping[str, HostedSpec], renewed: Collection[str] = ()
    ) -> None:
        """Let the slots host these experts; see `Scheduler.reconfigure`. Raises ReloadRefused."""
        await self._scheduler.reconfigure(dict(specs), renewed)

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

        Raises ExpertPaused while it is not asked, ExpertOverloaded when its queue is full,
        ExpertUnavailable when it cannot load, ExpertTimeout when both together take longer than
        `server.lease_timeout_s`, but for who is `patient`.
        """
        trial = self._health.enter(expert) if expert in self._health.watched else None
        if trial is None:
            gate = self._gates.get(expert)
            if gate is not None and gate.entered():  # There is nothing to time.
                return Lease(self._remote[expert], 0.0, 0.0, None, gate.leave)
            return await self._in_time(expert, request_class, stage, patient)
        left = partial(self._health.left, expert, trial)
        try:
            lease = await self._in_time(expert, request_class, stage, patient)
        except BaseException:
            left()
            raise

        def release() -> None:
            lease.release()
            left()

        return replace(lease, trial=trial, release=release)

    async def _in_time(self, expert: str, request_class: str, stage: int, patient: bool) -> Lease:
        if patient:
            return await self._patiently(expert, request_class, stage)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._take(expert, request_class, stage)
        except TimeoutError as error:
            raise ExpertTimeout(
                f"Expert {expert} was not free and loaded within {self._timeout_s:g} s.",
                expert=expert,
            ) from error

    async def _patiently(self, expert: str, request_class: str, stage: int) -> Lease:
        """Also where the queue is full: there will be room."""
        while True:
            try:
                return await self._take(expert, request_class, stage)
            except ExpertOverloaded as error:
                pause_s = error.retry_after_s or SHORTEST_PAUSE_S
                await asyncio.sleep(min(max(pause_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S))

    async def _take(self, expert: str, request_class: str, stage: int) -> Lease:
        max_wait_s = self._classes[request_class].max_wait_s
        if (gate := self._gates.get(expert)) is not None:
            started = time.perf_counter()
            await gate.enter(unhurried=max_wait_s is None)
            queue_ms = 1000 * (time.perf_counter() - started)
            return Lease(self._remote[expert], queue_ms, 0.0, None, gate.leave)
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
        if expert in self._is_hosted:
            self._scheduler.expect(expert, self._unhurried(request_class))

    def expect_no_more(self, expert: str, request_class: str) -> None:
        """Of what was announced, one request has arrived, or never will."""
        if expert in self._is_hosted:
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
        return self._scheduler.view.resident()

    def _unhurried(self, request_class: str) -> bool:
        return self._classes[request_class].max_wait_s is None

    async def suspect(self, lease: Lease) -> bool:
        """A request failed below HTTP: find out whether a slot or an engine of ours is gone."""
        if lease.slot is None:
            return False
        return await self._scheduler.suspect(lease.engine.name, lease.slot)

    def succeeded(self, lease: Lease) -> None:
        """A call has had its first token."""
        if (expert := lease.engine.name) in self._health.watched:
            self._health.succeeded(expert, lease.trial)

    async def failed_early(self, lease: Lease, error: ExpertError) -> None:
        """A call has failed before its first token: note it, unless it is the slot's fault.

        A slot or an engine of ours that is gone comes back by itself, and requests wait for it.
        """
        lost = isinstance(error, ExpertLost | ExpertRefused) and is_failure(error)
        if not (lost and await self.suspect(lease)):
            self._health.failed(lease.engine.name, error, lease.trial)

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

    def is_hosted(self, expert: str) -> bool:
        """Whether one of our slots runs it."""
        return expert in self._is_hosted

    def has_endpoints(self, expert: str) -> bool:
        """Whether the expert's engine is a server that offers more than answers."""
        return self.is_hosted(expert) or isinstance(self._remote[expert], HasEndpoints)

    def expert_api_key(self, expert: str) -> str | None:
        """What `expert_url` wants as bearer token; None where it wants none."""
        spec = self._experts[expert]
        if isinstance(spec, OpenAISpec):
            return spec.api_key
        endpoint = self._scheduler.view.endpoint(expert) if spec.hosted else None
        return None if endpoint is None else endpoint[1]

    async def context_lengths(self) -> Mapping[str, int]:
        """Expert -> tokens of its context, where they are known; servers may be asked for it."""
        view = self._scheduler.view
        hosted = {name: view.context_length(name) for name in self._is_hosted}
        known = {name: length for name, length in hosted.items() if length is not None}
        return {**known, **await self._lengths.known()}

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
    def out_of_reach(self) -> Mapping[str, str]:
        """The experts that would not be asked now, each with the code of its error.

        Those whose last load failed, until it is time to try that again, those that have left the
        slots, and those that have kept failing.
        """
        now, roster = time.monotonic(), self._scheduler.view.roster
        states, known = roster.states, roster.known
        paused = self._health.paused if self._health.watched else ()
        found = dict.fromkeys(paused, ExpertPaused.code)
        found |= {
            name: ExpertUnavailable.code
            for name in self._is_hosted
            if (state := states.get(name)) is None
            or state.refuses(now)
            or (state.replicas and name in known[state].refused)
        }
        return found

    @property
    def happenings(self) -> Happenings:
        """What has lately come into the slots and left them."""
        return self._scheduler.happenings

    def snapshot(self) -> dict[str, Any]:
        """Slots, residents, loads and queues as plain JSON."""
        remote = {name: gate.queued for name, gate in self._gates.items()}
        return {
            **self._scheduler.view.snapshot(),
            "queued": {**self._scheduler.view.queued(), **remote},
            "breakers": {name: self._health.snapshot(name) for name in self._experts},
            "versions": self._versions,
        }

    async def refresh(self) -> None:
        """Bring the numbers of `snapshot` up to date."""
        await self._scheduler.refresh()
        if not self._versions:
            # In a thread: it reads the first and last bytes of every model.
            self._versions = await asyncio.to_thread(told_versions, self._experts)
