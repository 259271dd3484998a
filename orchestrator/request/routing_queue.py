"""Routing for many requests at once: what waits while one batch is scored is the next batch."""

import asyncio
from collections import deque

from experts.types import Request
from routers.base import Decision, Router

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
                decisions = await asyncio.to_thread(self._router.route, requests)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), decision in zip(batch, decisions, strict=True):
                if not future.done():
                    future.set_result(decision)
