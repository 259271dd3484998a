"""Runs the batches that nobody else runs, several at a time."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from experts.errors import StoreError, UnknownObject
from orchestrator.batch.batch import Batch, moved
from orchestrator.batch.batches import Batches
from orchestrator.batch.desk import Desk
from orchestrator.batch.files import Files
from orchestrator.batch.gateways import new_gateway
from orchestrator.batch.run import Forgotten, Lost, Run
from orchestrator.config.batches_section import BatchesConfig
from orchestrator.store.base import Store

LOGGER = logging.getLogger("coterie.batch")
MOST_BREAKS = 3
"""How often a batch is taken up again after a fault of ours."""
LOOKS_EVERY_S = 2.0
"""Another gateway may have made a batch, or left one."""


@dataclass(frozen=True, slots=True)
class Batching:
    """All that the endpoints of files and batches need."""

    files: Files
    batches: Batches
    runner: "BatchRunner"


def batching_of(store: Store, desk: Desk, settings: BatchesConfig) -> Batching:
    """Files and batches in a store, and a runner that is not started."""
    gateway = new_gateway()
    files = Files(store, settings.max_file_mb, gateway)
    batches = Batches(store, files)
    return Batching(files, batches, BatchRunner(gateway, store, files, batches, desk, settings))


class BatchRunner:
    """One for each gateway."""

    def __init__(
        self,
        gateway: str,
        store: Store,
        files: Files,
        batches: Batches,
        desk: Desk,
        settings: BatchesConfig,
    ) -> None:
        self._parts = (store, files, batches, desk, settings)
        self._batches = batches
        self._settings = settings
        self._files = files
        self._store = store
        self._gateway = gateway
        self._broken: Counter[str] = Counter()
        self._runs: dict[str, tuple[Batch, asyncio.Task[None]]] = {}
        self._running: dict[str, Run] = {}
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for batches, or go on with it."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def look(self) -> None:
        """There may be something to do."""
        self._news.set()

    async def answers(self, identifier: str, start: int, most: int) -> tuple[list[bytes], int]:
        """What a batch that this gateway runs has answered; nothing of others. Raises StoreError.

        As `Run.answers` gives it.
        """
        run = self._running.get(identifier)
        return await run.answers(start, most) if run is not None else ([], start)

    def progress(self) -> Mapping[str, float]:
        """How many lines of the batches that run here are answered, failed, and left."""
        batches = [run.batch for run in self._running.values()]
        completed = sum(batch.completed for batch in batches)
        failed = sum(batch.failed for batch in batches)
        left = sum(batch.total for batch in batches) - completed - failed
        return {"completed": completed, "failed": failed, "left": max(0, left)}

    async def stop(self) -> None:
        """Leave every batch as it is, for whoever goes on with it."""
        looking, runs = self._looking, self._runs
        self._looking, self._runs = None, {}
        tasks = [task for task in (looking, *(task for _, task in runs.values())) if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for batch, _ in runs.values():
            with suppress(StoreError, UnknownObject):
                await self._batches.release(batch, self._gateway)

    async def _look(self) -> None:
        waits = False
        while True:
            self._news.clear()
            try:
                await self._take()
            except StoreError as error:
                if not waits:
                    LOGGER.warning("batches wait for the store: %s", error)
                waits = True
            except Exception:
                # It must not end: no batch would begin any more.
                LOGGER.exception("looking for batches failed")
            else:
                if waits:
                    LOGGER.warning("the store answers again: batches go on")
                waits = False
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOKS_EVERY_S):
                    await self._news.wait()

    async def _take(self) -> None:
        self._runs = {name: pair for name, pair in self._runs.items() if not pair[1].done()}
        if len(self._runs) >= self._settings.at_once:
            return
        await self._files.clear()
        known = self._store.forgotten
        async for batch in self._batches.claim(self._gateway):
            if batch.id not in self._runs:
                self._runs[batch.id] = batch, asyncio.create_task(self._run(batch, known))
            if len(self._runs) >= self._settings.at_once:
                return

    def _given_up(self, batch: Batch) -> Batch:
        """A fault of ours that would come again and again."""
        message = "The server failed to run this batch; its log says why."
        error = {"code": "internal_error", "message": message}
        return moved(replace(batch, errors=(error,)), "failed", time.time())

    async def _run(self, batch: Batch, known: int) -> None:
        store, files, batches, desk, settings = self._parts
        run = Run(batch, self._gateway, store, files, batches, desk, settings, known)
        self._running[batch.id] = run
        LOGGER.info("batch %s begins or goes on (%s)", batch.id, batch.status)
        try:
            await run.run()
            LOGGER.info("batch %s has ended: %s", batch.id, run.batch.status)
        except Lost:
            LOGGER.info("batch %s is run by another gateway now", batch.id)
            await self._clean_up(batch)
        except Forgotten:
            LOGGER.warning("batch %s goes on from what the store has not lost", batch.id)
        except UnknownObject:
            LOGGER.warning("batch %s is not in the store any more", batch.id)
        except Exception:
            self._broken[batch.id] += 1
            LOGGER.exception("batch %s broke off", batch.id)
            await self._leave(batch)
        finally:
            del self._running[batch.id]
        self.look()

    async def _clean_up(self, batch: Batch) -> None:
        """What this gateway has written since another one has ended a batch."""
        with suppress(StoreError, UnknownObject):
            now = await self._batches.get(batch.owner, batch.id)
            if now.ended:
                await self._batches.clean_up(now)

    async def _leave(self, batch: Batch) -> None:
        """To be taken up again, or not, if it has broken off too often."""
        with suppress(StoreError, UnknownObject):
            if self._broken[batch.id] < MOST_BREAKS:
                await self._batches.release(batch, self._gateway)
                return
            failed = await self._batches.update(batch, self._given_up)
            await self._batches.clean_up(failed)
