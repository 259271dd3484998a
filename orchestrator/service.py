"""Starts and stops Coterie in this process: Ray, slots, pool, routers and the HTTP listener.

Ray is imported where experts of ours need it, and the encoder (with torch) where a router asks for
it: a gateway to remote servers starts in a second.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits

import orchestrator
from aggregators import equality
from experts.errors import ConfigError, ServiceError
from experts.openai import ExpertClient
from experts.vllm.versions import require_known_vllm
from orchestrator.batch.runner import Batching, batching_of
from orchestrator.config.checks import (
    missing_files,
    strangers,
    unusable_store,
    unwritable_files,
)
from orchestrator.config.model import Config
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.encoder import embedder_of
from orchestrator.request.feedback import Feedback
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.machine.policy import Policy, decide
from orchestrator.residency.pool import ExpertPool
from orchestrator.residency.slot import Slot
from orchestrator.server.app import make_app
from orchestrator.server.batch.desk import BatchDesk
from orchestrator.server.context import Context
from orchestrator.server.gates.admin import admin_door
from orchestrator.server.telemetry.telemetry import start_telemetry
from orchestrator.server.wire.listening import Listener
from orchestrator.store.base import Store
from orchestrator.store.opening import open_store
from routers.base import Encoder, Router
from routers.registry import build, shared_encoder

COLLECT_AFTER = (5_000, 5, 5)
"""Objects, and collections, until Python looks for garbage in cycles; requests leave little."""


class Service:
    """What `start_service` has started; `stop` ends all of it."""

    def __init__(
        self,
        context: Context,
        listener: Listener,
        back: Listener | None,
        held: AsyncExitStack,
    ) -> None:
        """`back` is the listener of administrators, where they have one.

        `held` ends whatever was started, in the right order.
        """
        self.config = context.config
        self.base_url = listener.url
        self.admin_url = back.url if back is not None else None
        self._context = context
        self._pool = context.pool
        self._listener = listener
        self._back = back
        self._held = held
        # A router's products of matrices are small. A second thread of BLAS saves nothing there,
        # and then spins for milliseconds on the core that the engine needs.
        self._blas = threadpool_limits(limits=1, user_api="blas")

    def listen(self, app: ASGIApp) -> None:
        """Begin to accept connections."""
        self._listener.serve(app)
        if self._back is not None:
            self._back.serve(admin_door(app))

    def expert_base_url(self, expert: str) -> str | None:
        """The expert's own endpoint in its slot (ends with /v1); None when it is not resident."""
        return self._pool.expert_url(expert)

    async def answer(self, context: RequestContext, trace: Trace) -> bytes:
        """A whole answer for this very process, without HTTP between.

        Raises what the pipeline raises: ExpertError, RequestError, RoutingError.
        """
        async with await self._context.pipeline.answer(context, trace) as answer:
            return answer.first + b"".join([piece async for piece in answer.rest])

    @property
    def failed(self) -> Mapping[str, str]:
        """The experts that could not be loaded, each with the reason."""
        return self._pool.failed

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._context.metrics.in_flight

    async def wait(self) -> None:
        """Return when the listener has ended."""
        await self._listener.wait()

    async def drain(self) -> int:
        """Stop being ready, then take no requests, load nothing, and wait for answers in flight.

        Returns how many of them outlasted `server.drain_timeout_s`; those are ended with an error.
        """
        drain, settings = self._context.drain, self.config.server
        drain.begin()
        await asyncio.sleep(settings.drain_notice_s)
        drain.refuse()
        self._pool.wind_down()
        if await drain.idle(settings.drain_timeout_s):
            return 0
        late = self.in_flight
        self._listener.cancel_requests()
        return late

    async def stop(self) -> None:
        """Finish what is under way within seconds, then end every process that was started."""
        await self._listener.stop()
        if self._back is not None:
            await self._back.stop()
        await self._held.aclose()
        self._blas.restore_original_limits()


async def start_service(
    config: Config,
    *,
    on_event: Callable[[str], None],
    host: str | None = None,
    port: int | None = None,
    policy: Policy = decide,
    strict: bool = False,
    stored_keys: bool = True,
) -> Service:
    """Start everything; `on_event` gets a short sentence for each step.

    `policy` decides what the slots load; another one than ours is for comparisons. Without
    `stored_keys`, keys of the store are not looked at: for a process that asks itself.

    Raises ServiceError (port taken, Ray not reachable, a slot that does not start), ConfigError
    (among others for a file that a router lacks, or that cannot be written), and, if `strict`,
    ExpertUnavailable where an expert that should be resident cannot be loaded. Otherwise that
    expert is marked as failed, and the others are served. ExpertError where one that a router
    embeds with gives no embeddings.
    """
    refuse_shadowing_folder(Path.cwd())
    await asyncio.to_thread(_check_files, config)
    async with AsyncExitStack() as undo:
        # The port first: it is what most often fails, and nothing else is open yet.
        listener = undo.enter_context(_listening(config, host, port))
        back = _listening_for_admins(config, undo)
        store = await open_store(config.store)
        undo.push_async_callback(store.close)
        keys = await _begin_keys(config, store, stored_keys, undo)
        client = ExpertClient(config.server.max_connections)
        undo.push_async_callback(client.aclose)
        telemetry = start_telemetry(config, undo)
        encoder = shared_encoder()
        asking = [name for name, keys in config.routers.items() if _asks_expert(keys)]
        others = [name for name in config.routers if name not in asking]
        routers = asyncio.create_task(asyncio.to_thread(_make_routers, config, encoder, others))
        undo.push_async_callback(_ended, routers)
        pool = await _start_pool(config, client, store, policy, on_event, strict)
        undo.push_async_callback(_stop_pool, config, pool)
        embedder = embedder_of(config, pool)
        made = await routers
        make_router = partial(_make_router, config, encoder, embedder)
        for name in asking:
            made[name] = await asyncio.to_thread(make_router, name)
        _warn(made, on_event)
        feedback = Feedback(config, store)
        await feedback.start()
        pipeline = Pipeline(config, pool, made, feedback, encoder)
        equality.limit_children(config.server.max_answer_checks)
        context = Context(config, pool, pipeline, make_router, keys, telemetry)
        telemetry.watch_slots(config, pool.slot_addresses, client)
        context = replace(context, batching=_begin_batching(context, store, undo))
        app = make_app(context)
        _collect_rarely()
        # From now on, it is `stop` that ends what was started.
        service = Service(context, listener, back, undo.pop_all())
        service.listen(app)
    return service


def _collect_rarely() -> None:
    # What exists by now stays: collections that look at it took a fifth of the gateway's time.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _begin_keys(
    config: Config, store: Store, stored_keys: bool, undo: AsyncExitStack
) -> KeyRing:
    """The keys that open this service. Raises ConfigError for a name with two of them."""
    keys = KeyRing(config.server, Counters(store, config.server.limits))
    undo.push_async_callback(keys.stop)
    if stored_keys:
        await keys.load()
        keys.start()
    return keys


def _begin_batching(context: Context, store: Store, undo: AsyncExitStack) -> Batching:
    """Files and batches; those that an earlier service has left go on."""
    telemetry = context.telemetry
    sinks, keys, sample = (telemetry,), context.keys, telemetry.sample
    desk = BatchDesk(context.config, context.pool, context.pipeline, sinks, keys, sample)
    batching = batching_of(store, desk, context.config.batches)
    batching.runner.start()
    telemetry.watch_batches(batching.runner.progress)
    undo.push_async_callback(batching.runner.stop)
    return batching


def _check_files(config: Config) -> None:
    """Raise ConfigError for files that would stop the service once much of it has started."""
    written = {"traces.file": config.traces.file, "feedback.file": config.feedback.file}
    problems = missing_files(config.routers)
    problems = problems or list(
        strangers(config.routers, tuple(config.answering), config.embedders)
    )
    if problems := problems or unwritable_files(written) or unusable_store(config.store):
        raise ConfigError(" ".join(problems))


def _warn(routers: Mapping[str, Router], on_event: Callable[[str], None]) -> None:
    """All that each router warns of, in one line."""
    for name, router in routers.items():
        prefix, warnings = f"routers.{name}: ", getattr(router, "warnings", ())
        if warnings:
            on_event(prefix + " ".join(warning.removeprefix(prefix) for warning in warnings))


async def _ended(routers: "asyncio.Task[dict[str, Router]]") -> None:
    """A thread cannot be cancelled: wait for it."""
    await asyncio.gather(routers, return_exceptions=True)


async def _start_pool(
    config: Config,
    client: ExpertClient,
    store: Store,
    policy: Policy,
    on_event: Callable[[str], None],
    strict: bool,
) -> ExpertPool:
    slots = _connect(config, on_event) if config.hosted() else []
    pool = ExpertPool(config, slots, client, on_event, store, policy)
    try:
        await asyncio.sleep(0)  # A signal that came while Ray started takes effect here.
        await pool.start(strict)
    except BaseException:
        await _stop_pool(config, pool)
        raise
    return pool


def _connect(config: Config, on_event: Callable[[str], None]) -> list[Slot]:
    """The slots, in the configured Ray, or in one that is started here."""
    from orchestrator.residency import ray_cluster, ray_slot  # noqa: PLC0415

    if config.ray.address is None:
        require_known_vllm()  # The slots do, too; here it costs no start of Ray.
    started = time.perf_counter()
    # In this thread, though it blocks for seconds: Ray's processes die with the thread that
    # started them, and nothing is served yet.
    ray_cluster.connect(config.ray, config.slots)
    on_event(f"Ray is up in {time.perf_counter() - started:.1f} s")
    models = (spec.model for spec in config.hosted().values())
    folder = ray_cluster.own_folder()
    return list(
        ray_slot.make_slots(config.ray, config.slots, models, folder, counts=config.metrics.engines)
    )


async def _stop_pool(config: Config, pool: ExpertPool) -> None:
    await pool.stop()
    if config.hosted():  # Another service of this process may use Ray.
        from orchestrator.residency import ray_cluster  # noqa: PLC0415

        ray_cluster.disconnect()


def _make_router(
    config: Config,
    encoder: Callable[[], Encoder],
    embedder: Callable[[str], Encoder] | None,
    name: str,
) -> Router:
    return build(name, config.routers[name], tuple(config.answering), encoder, embedder)


def _asks_expert(keys: Mapping[str, Any]) -> bool:
    """Whether a router embeds with an expert, and so cannot be made before the pool is there."""
    return isinstance(keys.get("encoder"), str)


def _make_routers(
    config: Config, encoder: Callable[[], Encoder], names: Sequence[str]
) -> dict[str, Router]:
    """Some of the routers; where one asks for the encoder, no request waits until it is loaded."""
    asked = False

    def wanted() -> Encoder:
        nonlocal asked
        asked = True
        return encoder()

    routers = {name: _make_router(config, wanted, None, name) for name in names}
    if asked:
        encoder().encode(["The first text pays for loading the encoder."])
    return routers


def _listening(config: Config, host: str | None, port: int | None) -> Listener:
    server = config.server
    host = server.host if host is None else host
    return Listener(host, server.port if port is None else port, "--port or server.port")


def _listening_for_admins(config: Config, undo: AsyncExitStack) -> Listener | None:
    admin = config.server.admin
    if admin is None:
        return None
    return undo.enter_context(Listener(admin.host, admin.port, "server.admin.port"))


def refuse_shadowing_folder(folder: Path) -> None:
    """Ray's workers import from the working directory first: it must not hide our packages."""
    home = Path(orchestrator.__file__).parent.parent
    for name in ("experts", "routers", "aggregators", "orchestrator", "evals"):
        if folder != home and (folder / name / "__init__.py").exists():
            raise ServiceError(
                f"{folder} has a Python package `{name}`, which would hide Coterie's own.",
                hint="Start from another directory.",
            )
