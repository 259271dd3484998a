"""Ray, the slots in it, and the pool over them."""

import asyncio
import time
from collections.abc import Callable

from experts.openai import ExpertClient
from experts.vllm.versions import require_known_vllm
from orchestrator.config.model import Config
from orchestrator.residency.machine.policy import Policy
from orchestrator.residency.pool import ExpertPool
from orchestrator.residency.shared.gateway import SharedScheduler
from orchestrator.residency.slot import Slot
from orchestrator.store.base import Store


async def start_pool(
    config: Config,
    client: ExpertClient,
    store: Store,
    policy: Policy,
    on_event: Callable[[str], None],
    strict: bool,
) -> ExpertPool:
    """The pool, with what fits loaded. Raises ServiceError; if `strict`, ExpertUnavailable."""
    slots, shared = _connect(config, client, on_event) if config.hosted() else ([], None)
    pool = ExpertPool(config, slots, client, on_event, store, policy, shared)
    try:
        await asyncio.sleep(0)  # A signal that came while Ray started takes effect here.
        await pool.start(strict)
    except BaseException:
        await stop_pool(config, pool)
        raise
    return pool


def _connect(
    config: Config, client: ExpertClient, on_event: Callable[[str], None]
) -> tuple[list[Slot], SharedScheduler | None]:
    """The slots, in the configured Ray, or in one that is started here; or those that are shared.

    The latter have a controller that drives them.
    """
    from orchestrator.residency import ray_cluster, ray_slot  # noqa: PLC0415

    if config.ray.address is None:
        require_known_vllm()  # The slots do, too; here it costs no start of Ray.
    started = time.perf_counter()
    # In this thread, though it blocks for seconds: Ray's processes die with the thread that
    # started them, and nothing is served yet.
    ray_cluster.connect(config.ray, config.slots)
    on_event(f"Ray is up in {time.perf_counter() - started:.1f} s")
    if config.ray.pool is not None:
        return [], _join_pool(config, config.ray.pool, client, on_event)
    models = tuple(spec.model for spec in config.hosted().values())
    folder = ray_cluster.own_folder()
    counts = config.metrics.engines
    slots = ray_slot.make_slots(config.ray, config.slots, models, folder, counts=counts)
    return list(slots), None


def _join_pool(
    config: Config, name: str, client: ExpertClient, on_event: Callable[[str], None]
) -> SharedScheduler:
    from orchestrator.residency.shared.actor import ActorLink, SharedPool  # noqa: PLC0415

    specs, slots, counts = config.hosted(), config.slots, config.metrics.engines
    pool = SharedPool(name, specs, slots, config.ray, config.store, counts)
    link = ActorLink(pool)
    return SharedScheduler(specs, slots, link, pool.digest, on_event, client.break_off)


async def stop_pool(config: Config, pool: ExpertPool) -> None:
    """End it, and Ray where it was started here."""
    await pool.stop()
    if config.hosted():  # Another service of this process may use Ray.
        from orchestrator.residency import ray_cluster  # noqa: PLC0415

        ray_cluster.disconnect()
