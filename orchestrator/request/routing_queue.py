"""Routing for many requests at once: what waits while one batch is scored is the next batch."""

import asyncio
import logging
from collections import deque

from experts.errors import CoterieError, RoutingError
from experts.types import Request
from routers.base import Decision, Router

LOGGER = logging.getLogger("coterie.routing")
MAX_BATCH = 64
"""Keeps one batch, and so the wait of the next, within tens of milliseconds."""


class RoutingQueue:
    """Feeds one router, which works in a thread, with batches of the waiting requests."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._waiting: deque[tuple[Request, asyncio.Future[Decision]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def route(self, request: Request) -> Decision:
        """The router's decision for one request. Raises what the router raises."""
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), MAX_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            requests = [request for request, _ in batch]
            try:
                decisions = await self._route(requests)
            except CoterieError as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), decision in zip(batch, decisions, strict=True):
                if not future.done():
                    future.set_result(decision)

    async def _route(self, requests: list[Request]) -> list[Decision]:
        """The router's decisions, one for each request. Raises CoterieError."""
        name = self._router.name
        try:
            decisions = list(await asyncio.to_thread(self._router.route, requests))
        except CoterieError:
            raise
        except Exception as error:
            LOGGER.exception("router %s failed on %d requests", name, len(requests))
            raise RoutingError(f"Router {name} failed ({type(error).__name__}).") from error
        if len(decisions) != len(requests):
            message = f"{len(decisions)} decisions for {len(requests)} requests"
            LOGGER.error("router %s returned %s", name, message)
            raise RoutingError(f"Router {name} returned {message}.")
        return decisions
