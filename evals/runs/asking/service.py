"""The service behind a run's calls: one that runs already, or one that the first call starts."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.runs.asking.here import Here
from evals.runs.asking.loads import LoadWatch
from evals.runs.asking.wire import Reply, Wire
from evals.runs.record import LoadEvent
from experts.errors import CoterieError, ExpertError, ServiceError
from experts.openai import ExpertClient
from experts.types import Request
from orchestrator.config.model import BATCH_CLASS, Config
from orchestrator.service import Service

BATCH: Mapping[str, Any] = {"coterie": {"class": BATCH_CLASS}}
"""Our requests may wait: they are grouped by expert, and never hurry anybody else's."""


class RunClock:
    """Seconds in which a run has asked, over all its sessions."""

    def __init__(self, before_s: float) -> None:
        """`before_s` are those of earlier sessions."""
        self._before_s = before_s
        self._started: float | None = None

    def __call__(self) -> float:
        if self._started is None:
            return self._before_s
        return self._before_s + time.monotonic() - self._started

    def start(self) -> None:
        """The first call of this session can be sent."""
        if self._started is None:
            self._started = time.monotonic()


class RunService:
    """Where calls are sent. What is all in the cache starts nothing."""

    def __init__(
        self,
        settings: Config | None,
        url: str | None,
        progress: Progress,
        clock: RunClock,
        on_load: Callable[[LoadEvent], None],
        *,
        api_key: str | None,
        timeout_s: float,
    ) -> None:
        """`settings` are the pool that is started here, unless `url` names a service."""
        self._settings = settings
        self._url = url
        self._progress = progress
        self._clock = clock
        self._on_load = on_load
        self.loads = 0
        """Of this session."""
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._held = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._wire: Wire | Here | None = None
        self._own: Service | None = None
        self._failed: CoterieError | None = None
        self._watch: LoadWatch | None = None

    async def __aenter__(self) -> "RunService":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def __call__(self, expert: str, request: Request) -> Reply:
        """One call. Raises ExpertError, and what starting the service raises."""
        if self._wire is None:
            async with self._starting:
                await self._start()
        assert self._wire is not None
        return await self._wire(expert, request)

    async def memory_gb(self) -> Mapping[str, float]:
        """Engine -> what it takes in its slot, of those that were loaded; looks a last time."""
        if self._watch is None:
            return {}
        await self._watch.look()
        return self._watch.memory_gb

    async def _start(self) -> None:
        if self._failed is not None:
            raise self._failed  # Once is enough: every call would wait as long for the same.
        if self._wire is not None:
            return
        try:
            base_url = self._url or await self._serve()
        except ExpertError as error:  # Of the service, not of the call that came first.
            self._failed = ServiceError(error.message, hint=error.hint)
            raise self._failed from error
        except CoterieError as error:
            self._failed = error
            raise
        client = await self._held.enter_async_context(ExpertClient())
        watch = LoadWatch(base_url, self._api_key, self._clock, self._loaded)
        self._held.push_async_callback(watch.close)
        ours = await watch.pool() is not None
        if ours:
            await self._begin_watch(watch)
        self._clock.start()
        if self._own is not None:
            self._wire = Here(self._own, timeout_s=self._timeout_s)
            return
        self._wire = Wire(
            base_url,
            client,
            api_key=self._api_key,
            extra=BATCH if ours else {},
            timeout_s=self._timeout_s,
        )

    def _loaded(self, load: LoadEvent) -> None:
        self.loads += 1
        self._on_load(load)

    async def _serve(self) -> str:
        assert self._settings is not None
        # Only what is asked is loaded, and in the order in which it is asked.
        slots = self._settings.slots.model_copy(update={"preload": False})
        lean = without_routers(self._settings).model_copy(update={"slots": slots})
        self._own = await self._held.enter_async_context(serving(lean, self._progress))
        return self._own.base_url

    async def _begin_watch(self, watch: LoadWatch) -> None:
        if self._url is not None:
            await watch.begin()
        self._watch = watch
        task = asyncio.create_task(watch.watch())

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._held.push_async_callback(stop)
