"""The controller as an actor of Ray, which restarts it, and a gateway's way to it."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.actor import ActorHandle

from experts.errors import ReloadRefused, ServiceError
from experts.openai import ExpertClient
from experts.spec import HostedSpec
from orchestrator.config.model import RayConfig, SlotsConfig
from orchestrator.residency.ray_slot import NAMESPACE, make_slots
from orchestrator.residency.shared import messages as told
from orchestrator.residency.shared.controller import Controller
from orchestrator.residency.shared.lender import Lender
from orchestrator.residency.shared.link import Away
from orchestrator.store.base import Store
from orchestrator.store.memory_store import MemoryStore
from orchestrator.store.opening import open_store

MOST_CALLS = 1000
"""Calls that the actor has under way at once: each gateway has two."""
HEAD = "node:__internal_head__"
"""What only the head of a Ray cluster has."""
CONNECTIONS = 16
"""Of the controller to its slots: it asks them for their health, and for the canary's song."""

logger = logging.getLogger("coterie.residency")


@dataclass(frozen=True, slots=True)
class SharedPool:
    """What a controller is started with: the part of a configuration that it decides on."""

    name: str
    specs: Mapping[str, HostedSpec]
    slots: SlotsConfig
    ray: RayConfig
    store: str
    counts: bool
    """Whether engines count what they do, for Prometheus."""

    @property
    def digest(self) -> str:
        """The same for gateways that would have the same slots."""
        slots = self.slots.model_dump(mode="json")
        told = json.dumps([slots, self.counts], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


class ControllerActor:
    """`Controller`, in a process that Ray starts again. Asynchronous actor."""

    def __init__(self, pool: SharedPool) -> None:
        self._pool = pool
        self._making: asyncio.Task[None] | None = None
        self._controller: Controller | None = None
        self._starting: asyncio.Task[None] | None = None
        self._store: Store = MemoryStore()
        self._watching: asyncio.Task[None] | None = None

    async def hello(self, hello: told.Hello) -> None:
        """As `Controller.hello`; the first one starts everything, which may be ServiceError."""
        if self._making is None:
            # With its experts: this process may be a later one, and those of the first outdated.
            self._making = asyncio.create_task(self._make(hello.specs))
        await asyncio.shield(self._making)
        controller, starting = self._known(), self._starting
        assert starting is not None, "it is made with it"
        # Those that were there before a restart are known before everything is loaded again.
        coming = asyncio.create_task(controller.hello(hello))
        await asyncio.wait((coming, starting), return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and (error := starting.exception()) is not None:
            coming.cancel()
            if self._controller is controller:  # The next gateway begins anew.
                self._making = self._controller = None
                await controller.stop()
            raise error
        await coming

    async def report(self, who: told.Who, batch: int, events: Sequence[told.Event]) -> None:
        """As `Controller.report`, and so are the others."""
        self._known().report(who, batch, events)

    async def listen(self, who: told.Who, heard: int) -> Sequence[tuple[int, told.Message]]:
        return await self._known().listen(who, heard)

    async def reconfigure(
        self, who: told.Who, specs: Mapping[str, HostedSpec], renewed: Collection[str]
    ) -> None:
        await self._known().reconfigure(who, specs, renewed)

    async def goodbye(self, gateway: str) -> None:
        self._known().goodbye(gateway)

    async def suspect(self, expert: str, slot: str) -> bool:
        return await self._known().suspect(expert, slot)

    async def refresh(self) -> None:
        await self._known().refresh()

    def _known(self) -> Controller:
        if self._controller is None:
            raise told.UnknownGateway(self._pool.name)
        return self._controller

    async def _make(self, specs: Mapping[str, HostedSpec]) -> None:
        pool = self._pool
        # Where its file is another machine's, it forgets what loads cost when it is restarted.
        with suppress(ServiceError):
            self._store = await open_store(pool.store)
        client = ExpertClient(CONNECTIONS)
        models = tuple(spec.model for spec in specs.values())
        slots = make_slots(pool.ray, pool.slots, models, counts=pool.counts, pool=pool.name)

        def make(say: Callable[[str], None], changed: Callable[[], None]) -> Lender:
            return Lender(
                dict(specs), pool.slots, list(slots), client, self._store, say, changed=changed
            )

        self._controller = Controller(make, pool.digest, specs, pool.ray.linger_s)
        self._starting = asyncio.create_task(self._controller.start())
        self._watching = asyncio.create_task(self._end_when_idle())

    async def _end_when_idle(self) -> None:
        """When the last gateway has been gone for a while, so are the slots, and this process."""
        controller = self._known()
        await controller.idle.wait()
        await controller.stop()
        await self._store.close()
        ray.kill(ray.get_runtime_context().current_actor)


class ActorLink:
    """A gateway's `Link` to the actor, which it makes where there is none."""

    def __init__(self, pool: SharedPool) -> None:
        self._pool = pool
        self._actor: ActorHandle | None = None

    async def hello(self, hello: told.Hello) -> None:
        await self._call("hello", hello=hello)

    async def report(self, who: told.Who, batch: int, events: Sequence[told.Event]) -> None:
        await self._call("report", who=who, batch=batch, events=events)

    async def listen(self, who: told.Who, heard: int) -> Sequence[tuple[int, told.Message]]:
        news: Sequence[tuple[int, told.Message]] = await self._call("listen", who=who, heard=heard)
        return news

    async def reconfigure(
        self, who: told.Who, specs: Mapping[str, HostedSpec], renewed: Collection[str]
    ) -> None:
        await self._call("reconfigure", who=who, specs=specs, renewed=renewed)

    async def goodbye(self, gateway: str) -> None:
        await self._call("goodbye", gateway=gateway)

    async def suspect(self, expert: str, slot: str) -> bool:
        return bool(await self._call("suspect", expert=expert, slot=slot))

    async def refresh(self) -> None:
        await self._call("refresh")

    async def _call(self, method: str, **arguments: Any) -> Any:
        # By name: Ray knows no positions of the methods of an actor that it has found.
        if self._actor is None:
            # In a thread: Ray may take its time.
            self._actor = await asyncio.to_thread(self._found_or_made)
        try:
            return await getattr(self._actor, method).remote(**arguments)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, told.UnknownGateway | ServiceError | ReloadRefused):
                raise error.cause from None
            raise
        except ray.exceptions.ActorDiedError as error:
            self._actor = None  # For good: another one is made.
            raise Away("it has ended") from error
        except ray.exceptions.RayError as error:
            raise Away(type(error).__name__) from error

    def _found_or_made(self) -> ActorHandle:
        remote = ray.remote(
            num_cpus=0,
            # Beside Ray's own controller: another node that is cut off must not take it along.
            resources={HEAD: 0.001},
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=MOST_CALLS,
        )(ControllerActor)
        handle: ActorHandle = remote.options(
            name=f"{self._pool.name}-controller",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
        ).remote(self._pool)
        return handle
