"""Routing for many requests at once: what waits while one batch is scored is the next batch."""

import asyncio
import logging
from collections import deque
from collections.abc import Collection

from experts.errors import CoterieError, RoutingError
from experts.types import Request
from routers.base import Decision, Router

LOGGER = logging.getLogger("coterie.routing")
MAX_BATCH = 64
"""Keeps one batch, and so the wait of the next, within tens of milliseconds."""


class RoutingQueue:
    """Feeds one router, which works in a thread, with batches of the waiting requests."""

    def __init__(self, router: Router, experts: Collection[str]) -> None:
        """`experts` are the names that a decision may hold."""
        self._router = router
        self._experts = frozenset(experts)
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
        if wrong := self._mistake(decisions, len(requests)):
            LOGGER.error("router %s %s", name, wrong)
            raise RoutingError(f"Router {name} {wrong}.")
        return decisions

    def _mistake(self, decisions: list[Decision], count: int) -> str | None:
        """How the decisions break the protocol of routers, if they do."""
        if len(decisions) != count:
            return f"returned {len(decisions)} decisions for {count} requests"
        for decision in decisions:
            if not isinstance(decision, Decision):
                return f"returned a {type(decision).__name__} as a decision"
            named = [*(name for name, _ in decision.scores), *decision.panel]
            if unknown := [name for name in named if name not in self._experts]:
                return f"chose {unknown[0]!r}, which is not an expert of this pool"
        return None
