"""The process above several gateways: takes the port, starts Ray and them, and restarts them."""

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import uvloop

from experts.errors import ConfigError
from orchestrator.cli.notify import READY, STOPPING, notify
from orchestrator.cli.serve import tell_store
from orchestrator.cli.signals import StopSignals
from orchestrator.cli.workers.running import KEPT, keep
from orchestrator.cli.workers.worker import WorkerPlan, work
from orchestrator.config.model import Config, RayConfig
from orchestrator.reload.config_file import ConfigFile
from orchestrator.server.wire.listening import Listener
from orchestrator.service.ports import take_ports
from orchestrator.store.opening import MEMORY

RESTART_S, RESTART_MAX_S = 0.1, 10.0
"""Between the end of a worker and the next one; doubled while they end young."""
YOUNG_S = 30.0
SPAWN = multiprocessing.get_context("spawn")
log = logging.getLogger("coterie.service")


def serve_workers(
    file: ConfigFile,
    host: str | None,
    port: int | None,
    log_level: str,
    log_format: str,
    strict: bool,
    count: int,
    watch_s: float | None,
) -> int:
    """Serve with so many gateways until a signal comes; returns the exit code.

    Raises ConfigError for what they cannot share, ServiceError (port taken, Ray not reachable).
    """
    config = file.started.config
    if config.store == MEMORY:
        raise ConfigError(
            "store: several workers need one that they share, and `memory` is one process's own.",
            hint="Leave `store` away (a file of yours), or name sqlite:FILE or redis://HOST.",
        )
    taken = take_ports(config, host, port)
    log.info("starting %d workers: experts %s", count, ", ".join(config.experts))
    tell_store(file)
    ray = _with_pool(config)
    folder = Path(tempfile.mkdtemp(prefix="coterie-workers-"))
    keep(folder / KEPT, file.started, file.generation, file.first_stamp)
    plans = [
        WorkerPlan(
            number,
            file.path,
            config.store,
            ray,
            taken,
            log_level,
            log_format,
            strict,
            watch_s,
            folder,
        )
        for number in range(1, count + 1)
    ]
    try:
        return uvloop.run(_Workers(plans, config, taken).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for one in taken:
            one.close()
        if ray.address != config.ray.address:
            from orchestrator.residency import ray_cluster  # noqa: PLC0415

            ray_cluster.disconnect()


def _with_pool(config: Config) -> RayConfig:
    """With the cluster and the pool that all workers share; Ray is started where it must be."""
    if not config.hosted() or config.ray.pool is not None:
        return config.ray
    name = f"workers-{uuid.uuid4().hex[:12]}"
    address = config.ray.address
    if address is None:
        from orchestrator.residency import ray_cluster  # noqa: PLC0415

        started = time.perf_counter()
        ray_cluster.connect(config.ray, config.slots)
        log.info("Ray is up in %.1f s", time.perf_counter() - started)
        address = ray_cluster.address()
    return config.ray.model_copy(update={"address": address, "pool": name, "linger_s": 0.0})


class _Workers:
    """The processes."""

    def __init__(
        self, plans: Sequence[WorkerPlan], config: Config, taken: Sequence[socket.socket]
    ) -> None:
        self._config = config
        self._plans = plans
        self._taken = taken
        self._processes: dict[int, SpawnProcess] = {}
        self._waits_for = {plan.number for plan in plans}
        self._stopping = False

    async def run(self) -> int:
        """Until a signal comes, or a worker cannot even start; returns the exit code."""
        with StopSignals() as signals:
            keeping = [asyncio.create_task(self._keep(plan)) for plan in self._plans]
            asked = asyncio.create_task(signals.wait())
            reloading = asyncio.create_task(self._hand_on_reloads(signals))
            await asyncio.wait([asked, *keeping], return_when=asyncio.FIRST_COMPLETED)
            if signals.first is not None:
                name = signal.Signals(signals.first).name
                log.info("%s: the workers drain; a second signal ends them at once", name)
            notify(STOPPING)
            self._stopping = True
            asked.cancel()
            reloading.cancel()
            self._tell(signal.SIGTERM)
            codes = await asyncio.gather(*keeping)
            log.info("stopped")
            return max(codes)

    async def _hand_on_reloads(self, signals: StopSignals) -> None:
        while True:
            await signals.hung_up()
            self._tell(signal.SIGHUP)

    def _tell(self, number: int) -> None:
        for process in self._processes.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)

    async def _keep(self, plan: WorkerPlan) -> int:
        """Start a worker, and again whenever it dies. Returns when it should not run any more."""
        delay_s = RESTART_S
        while True:
            began = time.monotonic()
            code = await self._once(plan)
            if self._stopping:
                return max(code, 0) if plan.number not in self._waits_for else 0
            if plan.number in self._waits_for:
                return code or 1  # It never was ready, and would not be.
            delay_s = RESTART_S if time.monotonic() - began > YOUNG_S else delay_s
            log.warning("worker %d ended (%s), restarting", plan.number, _how(code))
            await asyncio.sleep(delay_s)
            if self._stopping:  # A worker that began now would not be told to stop.
                return 0
            delay_s = min(2 * delay_s, RESTART_MAX_S)

    async def _once(self, plan: WorkerPlan) -> int:
        """One life of a worker; returns its exit code."""
        receiver, sender = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=work, args=(plan, sender), name=f"worker-{plan.number}")
        process.start()
        sender.close()
        self._processes[plan.number] = process
        greeting = asyncio.create_task(self._hear(plan.number, receiver))
        await _readable(process.sentinel)
        process.join()
        await greeting
        return process.exitcode or 0

    async def _hear(self, number: int, receiver: Connection) -> None:
        """Wait until a worker is ready, or has ended."""
        with receiver, suppress(EOFError):
            await _readable(receiver.fileno())
            failed = receiver.recv()
            if number in self._waits_for:
                self._waits_for.discard(number)
                if not self._waits_for:
                    self._greet(failed)

    def _greet(self, failed: dict[str, str]) -> None:
        for expert, reason in failed.items():
            log.warning("%s is not served until a later load succeeds: %s", expert, reason)
        config = self._config
        log.info("models: %s", ", ".join([*config.compositions, *config.experts]))
        if len(self._taken) > 1:
            log.info("administration: %s", Listener(self._taken[1]).url)
        log.info("ready: %s/v1", Listener(self._taken[0]).url)
        notify(READY)


async def _readable(descriptor: int) -> None:
    """Wait for it in the event loop: a thread for each worker may be more than there are."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(descriptor)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
