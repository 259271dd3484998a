"""What lies beside the pool and its pipeline: keys, telemetry, kept answers, batches."""

from contextlib import AsyncExitStack
from dataclasses import replace

from orchestrator.batch.runner import Batching, batching_of
from orchestrator.config.model import Config
from orchestrator.keys.counters import Counters
from orchestrator.keys.ring import KeyRing
from orchestrator.server.batch.desk import BatchDesk
from orchestrator.server.context import Context
from orchestrator.server.reuse.gate import Idempotency
from orchestrator.server.reuse.starting import reuse_of
from orchestrator.server.telemetry.siblings import Siblings
from orchestrator.server.telemetry.telemetry import Telemetry, start_telemetry
from orchestrator.store.base import Store


async def begin_keys(
    config: Config, store: Store, stored_keys: bool, undo: AsyncExitStack
) -> KeyRing:
    """The keys that open this service. Raises ConfigError for a name with two of them."""
    keys = KeyRing(config.server, Counters(store, config.server.limits))
    undo.push_async_callback(keys.stop)
    if stored_keys:
        await keys.load()
        keys.start()
    return keys


async def begin_telemetry(
    config: Config, siblings: Siblings | None, undo: AsyncExitStack
) -> Telemetry:
    """Metrics and sinks; `siblings` hear of the metrics, too."""
    telemetry = start_telemetry(config, undo)
    if siblings is not None:
        telemetry.siblings = siblings
        await siblings.start(telemetry.answer)
        undo.push_async_callback(siblings.stop)
    return telemetry


async def with_the_rest(
    context: Context, store: Store, undo: AsyncExitStack
) -> tuple[Context, BatchDesk, Idempotency | None]:
    """The context with kept answers and batches, who answers these, and requests with keys."""
    reuse = reuse_of(context.config, store)
    context.telemetry.watch_reuse(reuse.counts)
    if reuse.idempotency is not None:
        undo.push_async_callback(reuse.idempotency.stop)
    context = replace(context, answers=await reuse.answers(context.config, context.pipeline))
    desk = _desk_of(context)
    batching = _begin_batching(context, desk, store, undo)
    context = replace(context, batching=batching)
    if context.telemetry.siblings is not None:
        context.telemetry.drains = context.follow_drain
        await context.follow_drain()  # A worker that was started again may come into a drain.
    return context, desk, reuse.idempotency


def _desk_of(context: Context) -> BatchDesk:
    telemetry = context.telemetry
    sinks, keys, sample = (telemetry,), context.keys, telemetry.sample
    return BatchDesk(
        context.config, context.pool, context.pipeline, sinks, keys, sample, context.answers
    )


def _begin_batching(
    context: Context, desk: BatchDesk, store: Store, undo: AsyncExitStack
) -> Batching:
    """Files and batches; those that an earlier service has left go on."""
    batching = batching_of(store, desk, context.config.batches)
    batching.runner.start()
    context.telemetry.watch_batches(batching.runner.progress)
    undo.push_async_callback(batching.runner.stop)
    return batching
