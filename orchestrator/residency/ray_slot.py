"""Slots as Ray actors; `ray_cluster.py` beside it is the other file that imports ray."""

import asyncio
import importlib
import inspect
import logging
import os
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.core.generated.gcs_pb2 import ActorTableData

from experts.errors import ServiceError
from experts.footprint.device import on_gpus, this_cpu
from experts.vllm import environment
from experts.vllm.loads import EngineLoad, LoadReport, UnloadReport, WorkerSettings
from orchestrator.config.model import RayConfig, SlotsConfig
from orchestrator.residency.ray_cluster import has_process
from orchestrator.residency.ray_folder import die_with_parent
from orchestrator.residency.slot import LOOPBACK, Held, NoPlace, SlotLost, StartTooSlow
from orchestrator.residency.slot_words import in_words, why_not_made

NAMESPACE = "coterie"
"""Where actors that outlive their makers have names."""
RETRY_S = 0.2
"""Between two calls of an actor that is being restarted, or cannot be reached."""
CALL_TIMEOUT_S = 10.0
UNREACHABLE = ray.exceptions.ActorUnavailableError
"""How Ray says that it does not know whether the process lives, or has done what it was told."""
GIVEN_UP = (ActorTableData.ActorState.RESTARTING, ActorTableData.ActorState.DEAD)
"""States of an actor whose process has ended, though none may follow before a node has room."""
DEAD = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
"""How Ray says that an actor died; the second one when its memory monitor has killed it."""

logger = logging.getLogger("coterie.residency")


class Restarted(Exception):
    """Ray has restarted the actor: the process that was meant has died."""


class SlotActor:
    """The slot's process: owns the worker, which owns the engines. Asynchronous actor."""

    def __init__(self, settings: WorkerSettings, token: str | None) -> None:
        """With a token, it serves on the node's address, to requests with it; else on loopback."""
        environment.prepare(settings)
        self._settings = settings
        self._token = token
        self._host = LOOPBACK if token is None else ray.util.get_node_ip_address()
        self._worker: Any = None
        self._port = 0
        self._asked_again = asyncio.Event()
        self._empty_gb = 0.0
        self._life = uuid.uuid4().hex

    async def start(self) -> tuple[str, str, str | None]:
        """Bring the worker up; returns its URL, what tells this process from later ones, its token.

        The token is not the caller's where another one has made the actor.
        """
        if self._worker is None:  # A driver that lost patience may ask again.
            die_with_parent()
            if self._token is None:
                # Where vLLM opens a port for its own processes, only this machine may reach it.
                os.environ.setdefault("VLLM_HOST_IP", LOOPBACK)
            module = importlib.import_module("experts.vllm.worker")
            self._worker = module.Worker(self._settings)
            self._port = await self._worker.serve(self._host, self._token)
            self._empty_gb = self._worker.memory_gb()
        return f"http://{self._host}:{self._port}", self._life, self._token

    async def call(self, life: str, method: str, arguments: tuple[Any, ...]) -> Any:
        """Call the worker of the process that had this `life`. Raises Restarted."""
        if life != self._life:
            raise Restarted
        answer = getattr(self._worker, method)(*arguments)
        return await in_words(answer) if inspect.isawaitable(answer) else answer

    async def held(self, life: str) -> Held:
        """What it holds. Raises Restarted."""
        if life != self._life:
            raise Restarted
        engines = await self._worker.held()
        return Held(self._worker.memory_gb(), self._empty_gb, engines)

    async def lifetime(self, life: str) -> None:
        """Its failure tells the driver that this process has died.

        It returns when it is called again: who was cut off may have many that nobody hears.
        """
        if life != self._life:
            raise Restarted
        before, this = self._asked_again, asyncio.Event()
        self._asked_again = this
        before.set()
        await this.wait()


class RaySlot:
    """A `Slot` over one actor, which Ray restarts when its process dies."""

    def __init__(
        self,
        slot_id: str,
        config: SlotsConfig,
        gpus: float,
        token: str | None,
        models: tuple[str, ...] = (),
        temporary: str | None = None,
        counts: bool = False,
        pool: str | None = None,
    ) -> None:
        """`models` are all that may be loaded; `temporary` is a folder for temporary files.

        With `counts`, engines count what they do. A slot of a `pool` outlives who made it, and is
        found again.
        """
        self.id = slot_id
        self.token = token
        self.sleeps = gpus > 0 and config.sleep_level > 0
        self.load_blocks = gpus == 0  # On CPU, the engines of a slot share one thread.
        self.device = on_gpus(gpus) if gpus else this_cpu()
        self._name = None if pool is None else f"{pool}-{slot_id}"
        self._make = partial(
            _make_actor, config, gpus, self.sleeps, token, models, temporary, counts, self._name
        )
        self._handle: ActorHandle | None = None
        self._starting: asyncio.Task[tuple[str, str, str | None]] | None = None
        self._life = ""
        self._reached = True
        # A Ray of our own has room for all slots: there is no node that could be missing.
        self._elsewhere = token is not None
        self._wanted = f"{config.cpus} CPUs and {gpus:g} GPUs"
        self._start_timeout_s = config.start_timeout_s
        self._load_timeout_s = config.load_timeout_s

    @property
    def made(self) -> bool:
        if self._handle is not None or self._name is None:
            return self._handle is not None
        try:
            ray.get_actor(self._name, NAMESPACE)
        except ValueError:
            return False
        return True

    @property
    def _actor(self) -> ActorHandle:
        """Asked of Ray when it is needed first: a slot that nobody starts takes nothing."""
        if self._handle is None:
            self._handle = self._make()
        return self._handle

    async def start(self) -> str:
        if self._starting is None:
            self._starting = asyncio.create_task(self._started())
        try:
            await self._in_time(self._starting)
        except NoPlace:
            raise  # It goes on waiting, and whoever starts it again waits with it.
        except BaseException:
            self._give_up()
            raise
        starting, self._starting = self._starting, None
        url, self._life, self.token = starting.result()
        return url

    async def _in_time(self, starting: "asyncio.Task[Any]") -> None:
        """Wait for it as long as may be. Raises NoPlace and StartTooSlow."""
        runs_s = 0.0
        while not starting.done():
            wait_s = min(CALL_TIMEOUT_S, self._start_timeout_s - runs_s)
            await asyncio.wait((starting,), timeout=wait_s)
            if starting.done():
                return
            if self._elsewhere and not await self._has_process():
                raise NoPlace(
                    f"{self.id} waits for Ray to start its process: does a node have"
                    f" {self._wanted} free?"
                )
            runs_s += wait_s
            if runs_s >= self._start_timeout_s:
                raise StartTooSlow(
                    f"its process was still starting after {self._start_timeout_s:g} s"
                )

    async def _has_process(self) -> bool:
        alive = bool(self._actor._get_local_state() == ActorTableData.ActorState.ALIVE)
        return alive or await asyncio.to_thread(has_process, self._actor)

    def _give_up(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None

    async def _started(self) -> tuple[str, str, str | None]:
        while True:
            try:
                return tuple(await self._repeat(lambda: self._actor.start.remote(), None))
            except SlotLost:
                # Ray needs a moment to restart a dead actor and refuses calls until then.
                self._forget_dead()
                await asyncio.sleep(RETRY_S)
            except RuntimeError:
                self._forget_dead()
                raise

    def _forget_dead(self) -> None:
        """An actor that Ray will not restart, ended or never made: another one is made."""
        if self._actor._get_local_state() == ActorTableData.ActorState.DEAD:
            self._handle = None

    async def held(self) -> Held:
        life = self._life
        held: Held = await self._repeat(lambda: self._actor.held.remote(life=life), CALL_TIMEOUT_S)
        return held

    async def load(self, load: EngineLoad) -> LoadReport:
        report: LoadReport = await self._call("load", (load,), self._load_timeout_s)
        return report

    async def hasten(self, engine: str) -> None:
        await self._call("hasten", (engine,), CALL_TIMEOUT_S)

    async def unload(self, engine: str) -> UnloadReport:
        report: UnloadReport = await self._call("unload", (engine,), self._load_timeout_s)
        return report

    async def sleep(self, engine: str, level: int) -> UnloadReport:
        report: UnloadReport = await self._call("sleep", (engine, level), self._load_timeout_s)
        return report

    async def wake(self, engine: str) -> float:
        return float(await self._call("wake", (engine,), self._load_timeout_s))

    async def memory_gb(self) -> float:
        return float(await self._call("memory_gb", (), CALL_TIMEOUT_S))

    async def running(self) -> dict[str, int]:
        return dict(await self._call("running", (), CALL_TIMEOUT_S))

    async def lost(self) -> None:
        life = self._life
        while True:
            began = time.monotonic()
            try:
                await self._actor.lifetime.remote(life=life)
            except Restarted:
                return
            except UNREACHABLE as error:
                if self._given_up():
                    return
                # A blip of the network: whether the process lives, only a later call can tell.
                if time.monotonic() - began > CALL_TIMEOUT_S:  # It was within reach until now.
                    self._reached = True
                self._out_of_reach(error)
            except DEAD:
                return
            await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        self._give_up()
        handle, self._handle = self._handle, None
        if handle is not None:
            ray.kill(handle)

    async def _call(self, method: str, arguments: tuple[Any, ...], timeout_s: float) -> Any:
        # By name: Ray knows no positions of the methods of an actor that it has found.
        told = {"life": self._life, "method": method, "arguments": arguments}
        return await self._repeat(lambda: self._actor.call.remote(**told), timeout_s)

    async def _repeat(self, call: Callable[[], Awaitable[Any]], timeout_s: float | None) -> Any:
        """Call the actor, again while it cannot be reached: its methods may all be repeated.

        Raises TimeoutError, SlotLost, or RuntimeError with the engine's words.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    answer = await self._once(call)
                except UNREACHABLE as error:
                    if self._given_up():
                        raise SlotLost(f"Slot {self.id} lost its process.") from error
                    self._out_of_reach(error)
                else:
                    self._reached = True
                    return answer
                await asyncio.sleep(RETRY_S)

    def _given_up(self) -> bool:
        """Whether Ray knows that the process has ended, though it says "unavailable" of it.

        So it does of one whose node has died, until another node has room for it.
        """
        return self._actor._get_local_state() in GIVEN_UP

    def _out_of_reach(self, error: Exception) -> None:
        """Log an outage once, however many calls meet it."""
        if self._reached:
            logger.warning(
                "%s cannot be reached (%s): calls are repeated until it answers, or is lost",
                self.id,
                type(error).__name__,
            )
        self._reached = False

    async def _once(self, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except UNREACHABLE:
            raise
        except Restarted as error:
            raise SlotLost(f"Slot {self.id} lost its process.") from error
        except ray.exceptions.RayTaskError as error:
            raise RuntimeError(str(error.cause)) from None
        except ray.exceptions.ActorDiedError as error:
            if error.actor_init_failed:
                raise RuntimeError(why_not_made(str(error))) from error
            raise SlotLost(f"Slot {self.id} lost its process.") from error
        except DEAD as error:
            raise SlotLost(f"Slot {self.id} lost its process.") from error


def _make_actor(
    config: SlotsConfig,
    gpus: float,
    sleeps: bool,
    token: str | None,
    models: tuple[str, ...],
    temporary: str | None,
    counts: bool,
    name: str | None,
) -> ActorHandle:
    actor = ray.remote(
        num_cpus=config.cpus,
        num_gpus=gpus,
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=64,
        scheduling_strategy="SPREAD",  # A node that dies should take as few of them as possible.
    )(SlotActor)
    settings = WorkerSettings(
        config.cpus,
        gpus > 0,
        sleeps,
        config.gather_ms,
        config.step_ms,
        config.offline,
        models,
        config.hub_timeout_s,
        temporary,
        counts,
    )
    if name is not None:
        lasting = {"lifetime": "detached", "get_if_exists": True}
        actor = actor.options(name=name, namespace=NAMESPACE, **lasting)
    handle: ActorHandle = actor.remote(settings, token)
    return handle


def make_slots(
    ray_config: RayConfig,
    config: SlotsConfig,
    models: tuple[str, ...] = (),
    temporary: str | None = None,
    *,
    counts: bool = False,
    pool: str | None = None,
) -> list[RaySlot]:
    """As many slots as there may be, for these models. Call after `ray_cluster.connect`.

    `temporary` is where their processes keep temporary files; `counts` is whether their engines
    count what they do, for Prometheus. Those of a `pool` outlive who makes them.

    Raises ServiceError where a Ray of our own will never have the GPUs that are asked for.
    """
    gpus = config.gpus
    there = 0.0 if gpus == 0 else ray.cluster_resources().get("GPU", 0)
    if gpus is None:
        gpus = 1.0 if there >= config.count else 0.0
    if ray_config.address is None and gpus * config.most > there:
        raise ServiceError(
            f"slots.gpus asks for {gpus:g} GPUs for each of {config.most} slots; this machine has"
            f" {there:g}.",
            hint="Lower slots.gpus, slots.count or slots.max_count, or name a Ray cluster in"
            " ray.address.",
        )
    # Elsewhere in a cluster others could reach the slots: only this service knows the token.
    token = None if ray_config.address is None else secrets.token_urlsafe(32)
    return [
        RaySlot(f"slot-{i}", config, gpus, token, models, temporary, counts, pool)
        for i in range(config.most)
    ]
