"""Starts and stops Coterie in this process: Ray, slots, pool, routers and the HTTP listener.

Ray is imported where experts of ours need it, and the encoder (with torch) where a router asks for
it: a gateway to remote servers starts in a second.
"""

import asyncio
import gc
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

import orchestrator
from aggregators import equality
from experts.errors import ConfigError, ServiceError
from experts.openai import ExpertClient
from orchestrator.config.checks import unusable_store
from orchestrator.config.model import Config
from orchestrator.reload.applying import Applier, check_files
from orchestrator.reload.config_file import ConfigFile, Version
from orchestrator.reload.introducing import Introduce
from orchestrator.reload.reloader import Reloader
from orchestrator.reload.routers import asks_expert, make_router, make_routers, warnings_of
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.encoder import embedder_of
from orchestrator.request.feedback import Feedback
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.machine.policy import Policy, decide
from orchestrator.server.app import Application, make_app
from orchestrator.server.clients import client_bounds
from orchestrator.server.context import Context
from orchestrator.server.gates.admin import admin_door
from orchestrator.server.telemetry.siblings import Siblings
from orchestrator.server.wire.listening import Listener
from orchestrator.service.beside import begin_keys, begin_telemetry, with_the_rest
from orchestrator.service.pool import start_pool, stop_pool
from orchestrator.service.ports import take_ports
from orchestrator.store.base import Store
from orchestrator.store.opening import open_store
from routers.base import Router
from routers.registry import shared_encoder

COLLECT_AFTER = (5_000, 5, 5)
"""Objects, and collections, until Python looks for garbage in cycles; requests leave little."""


class Service:
    """What `start_service` has started; `stop` ends all of it."""

    def __init__(
        self,
        app: Application,
        reloader: Reloader,
        listener: Listener,
        back: Listener | None,
        held: AsyncExitStack,
    ) -> None:
        """`back` is the listener of administrators, where they have one.

        `held` ends whatever was started, in the right order.
        """
        self.base_url = listener.url
        self.admin_url = back.url if back is not None else None
        self.reloader = reloader
        """Takes over other configurations."""
        self._app = app
        self._listener = listener
        self._back = back
        self._held = held
        # A router's products of matrices are small. A second thread of BLAS saves nothing there,
        # and then spins for milliseconds on the core that the engine needs.
        self._blas = threadpool_limits(limits=1, user_api="blas")

    @property
    def config(self) -> Config:
        """The configuration that runs now."""
        return self._context.config

    @property
    def _context(self) -> Context:
        return self._app.context

    def listen(self) -> None:
        """Begin to accept connections."""
        self._listener.serve(self._app, client_bounds(self.config.server))
        if self._back is not None:
            self._back.serve(admin_door(self._app), client_bounds(self.config.server))

    def expert_base_url(self, expert: str) -> str | None:
        """The expert's own endpoint in its slot (ends with /v1); None when it is not resident."""
        return self._context.pool.expert_url(expert)

    async def answer(self, context: RequestContext, trace: Trace) -> bytes:
        """A whole answer for this very process, without HTTP between.

        Raises what the pipeline raises: ExpertError, RequestError, RoutingError.
        """
        async with await self._context.pipeline.answer(context, trace) as answer:
            return answer.first + b"".join([piece async for piece in answer.rest])

    @property
    def failed(self) -> Mapping[str, str]:
        """The experts that could not be loaded, each with the reason."""
        return self._context.pool.failed

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
        self._app.state.events.close()
        await self._context.leave_batches()
        self._context.pool.wind_down()
        if await drain.idle(settings.drain_timeout_s):
            return 0
        late = self.in_flight
        self._listener.cancel_requests()
        return late

    async def stop(self) -> None:
        """Finish what is under way within seconds, then end every process that was started."""
        self._app.state.events.close()
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
    taken: Sequence[socket.socket] = (),
    siblings: Siblings | None = None,
    file: ConfigFile | None = None,
    introduce: Introduce | None = None,
) -> Service:
    """Start everything; `on_event` gets a short sentence for each step.

    `taken` are the sockets to accept connections on, where they are not this process's alone:
    everybody's, then that of administrators; `siblings` are those that share them. `policy` decides
    what the slots load. Without `stored_keys`, keys of the store are not looked at: for a process
    that asks itself. `file` is where `config` comes from, and is read for reloads; `introduce` asks
    an expert that a call adds probe questions.

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
        taken = taken or take_ports(config, host, port)
        listener, back = _listeners(taken, undo)
        store = await open_store(config.store)
        undo.push_async_callback(store.close)
        keys = await begin_keys(config, store, stored_keys, undo)
        client = ExpertClient(config.server.max_connections)
        undo.push_async_callback(client.aclose)
        telemetry = await begin_telemetry(config, siblings, undo)
        encoder = shared_encoder()
        others = [name for name, its in config.routers.items() if not asks_expert(its)]
        routers = asyncio.create_task(asyncio.to_thread(make_routers, config, encoder, others))
        undo.push_async_callback(_ended, routers)
        pool = await start_pool(config, client, store, policy, on_event, strict)
        undo.push_async_callback(stop_pool, config, pool)
        again = partial(make_router, config, encoder, embedder_of(config, pool))
        made = await _all_routers(config, await routers, again, on_event)
        pipeline = Pipeline(config, pool, made, await _feedback_of(config, store), encoder)
        equality.limit_children(config.server.max_answer_checks)
        context = Context(config, pool, pipeline, again, keys, telemetry)
        telemetry.watch_slots(config, pool.slot_addresses, client)
        context, desk, idempotency = await with_the_rest(context, store, undo)
        app = make_app(context, idempotency)
        _collect_rarely()
        reloader = _reloader_of(app, Applier(app, encoder, desk), config, file, introduce)
        undo.push_async_callback(reloader.stop)
        service = Service(app, reloader, listener, back, undo.pop_all())  # Now `stop` ends it.
        service.listen()
    return service


def _listeners(
    taken: Sequence[socket.socket], undo: AsyncExitStack
) -> tuple[Listener, Listener | None]:
    """Everybody's, and that of administrators, if they have one."""
    first, *more = (undo.enter_context(Listener(one)) for one in taken)
    return first, more[0] if more else None


async def _all_routers(
    config: Config,
    made: dict[str, Router],
    make: Callable[[str], Router],
    on_event: Callable[[str], None],
) -> dict[str, Router]:
    """With those that embed with an expert of the pool; says what each router warns of."""
    for name in config.routers:
        if name not in made:
            made[name] = await asyncio.to_thread(make, name)
    for words in warnings_of(made):
        on_event(words)
    return made


async def _feedback_of(config: Config, store: Store) -> Feedback:
    feedback = Feedback(config, store)
    await feedback.start()
    return feedback


def _collect_rarely() -> None:
    # What exists by now stays: collections that look at it took a fifth of the gateway's time.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _reloader_of(
    app: Application,
    applier: Applier,
    config: Config,
    file: ConfigFile | None,
    introduce: Introduce | None,
) -> Reloader:
    version = Version(config) if file is None else file.started
    own = replace(version, config=config)
    app.state.reloads = reloader = Reloader(applier, own, file, introduce)
    telemetry = applier.context.telemetry
    telemetry.watch_reloads(lambda: reloader.generation, lambda: reloader.results)
    return reloader


def _check_files(config: Config) -> None:
    """Raise ConfigError for files that would stop the service once much of it has started."""
    check_files(config)
    if problems := unusable_store(config.store):
        raise ConfigError(" ".join(problems))


async def _ended(routers: "asyncio.Task[dict[str, Router]]") -> None:
    """A thread cannot be cancelled: wait for it."""
    await asyncio.gather(routers, return_exceptions=True)


def refuse_shadowing_folder(folder: Path) -> None:
    """Ray's workers import from the working directory first: it must not hide our packages."""
    home = Path(orchestrator.__file__).parent.parent
    for name in ("experts", "routers", "aggregators", "orchestrator", "evals"):
        if folder != home and (folder / name / "__init__.py").exists():
            raise ServiceError(
                f"{folder} has a Python package `{name}`, which would hide Coterie's own.",
                hint="Start from another directory.",
            )
