"""The stream of what happens in the pool, for as many as the configuration lets listen.

Whoever listens has no queue: when it is ready for more, it is told how things are by then.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from experts.errors import ServiceStopping, TooManyRequests
from orchestrator.residency.changing.happenings import Move
from orchestrator.server.context import Context
from orchestrator.server.openapi.operations import EVENT_STREAM
from orchestrator.server.watching.rates import Rates
from orchestrator.server.wire.exchange import watch_departure

RATES_S = 1.0
"""How often rates are told; also the longest time for which a stream is silent."""
POOL, RATES, MOVES = "pool", "rates", "moves"

LOGGER = logging.getLogger("coterie.server")


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody who reads, and what has been told to them."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    told: dict[str, int] = field(default_factory=dict)
    """Kind of event -> the version that was told last."""
    heard: int = 0
    """The number of the last move that was told."""

    def end(self) -> None:
        """Tell no more."""
        self.over = True
        self.news.set()


class Events:
    """What is told to everybody; it looks at the pool only while somebody listens."""

    def __init__(self, context: Callable[[], Context]) -> None:
        """`context` is what the endpoints use now."""
        self._context = context
        self._listeners: set[Listener] = set()
        self._versions: dict[str, int] = {}
        self._texts: dict[str, bytes] = {}
        self._state: Mapping[str, Any] = {}
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listening(self) -> int:
        """How many do."""
        return len(self._listeners)

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        """One more, inside the context. Raises TooManyRequests, ServiceStopping."""
        if self._closed:
            raise ServiceStopping("The service stops: it tells no more.", hint="Retry.")
        most = self._context().config.server.events.listeners
        if len(self._listeners) >= most:
            raise TooManyRequests(f"{most} listen already (server.events.listeners).")
        listener = Listener()
        self._listeners.add(listener)
        if self._pump is None:
            self._changed.set()
            self._pump = asyncio.create_task(self._tell())
        listener.news.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._pump is not None:
                self._pump.cancel()
                self._pump = None
                self._versions.clear()

    async def next(self, listener: Listener) -> bytes:
        """What is new for a listener, as soon as anything is; nothing when it is over."""
        while not listener.over:
            listener.news.clear()
            if found := self._news_for(listener):
                return found
            await listener.news.wait()
        return b""

    def close(self) -> None:
        """End every stream: the service stops."""
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
        for listener in self._listeners:
            listener.end()

    def _news_for(self, listener: Listener) -> bytes:
        found = []
        for kind, version in self._versions.items():
            if listener.told.get(kind) != version:
                listener.told[kind] = version
                found.append(self._texts[kind])
        moves = self._context().pool.happenings.after(listener.heard)
        if moves and POOL in self._versions:  # It is told first.
            listener.heard = moves[-1].number
            found.append(_event(MOVES, {"moves": [_told(move) for move in moves]}))
        return b"".join(found)

    async def _tell(self) -> None:
        """Look whenever something has changed, and count once a second."""
        loop = asyncio.get_running_loop()
        try:
            with self._context().pool.happenings.heard_by(self._changed.set):
                rates = Rates(self._context().metrics.spent, time.monotonic)
                due = loop.time()
                while True:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(due):
                            await self._changed.wait()
                    self._changed.clear()
                    if loop.time() >= due:
                        due = loop.time() + RATES_S
                        self._refresh()
                        self._post_rates(rates)
                    self._post_pool()
                    await asyncio.sleep(self._context().config.server.events.interval_s)
        except Exception:
            LOGGER.exception("the pool's events broke off")
            self._pump = None
            for listener in self._listeners:
                listener.end()

    def _refresh(self) -> None:
        """Bring the slots' memory up to date; a slot that is busy holds nothing up."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refreshed())

    async def _refreshed(self) -> None:
        try:
            await self._context().pool.refresh()
        except Exception:
            LOGGER.exception("the slots' memory could not be looked at")
        self._changed.set()

    def _post_rates(self, rates: Rates) -> None:
        context = self._context()
        told = {"in_flight": context.metrics.in_flight, "draining": context.drain.begun}
        self._post(RATES, {**told, "experts": rates.take()})

    def _post_pool(self) -> None:
        state = self._context().pool.snapshot()
        if state != self._state or POOL not in self._versions:
            self._state = state
            self._post(POOL, state)
        self._wake()

    def _post(self, kind: str, told: Mapping[str, Any]) -> None:
        self._texts[kind] = _event(kind, told)
        self._versions[kind] = self._versions.get(kind, 0) + 1
        self._wake()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.news.set()


class EventStream(Response):
    """The response to one who listens: it lasts until they leave, or the service stops."""

    def __init__(self, events: Events, may_listen: Callable[[], bool]) -> None:
        """`may_listen` is asked before anything is told, once a second at least."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(media_type=EVENT_STREAM, headers=headers)
        del self.headers["content-length"]
        self._events, self._may_listen = events, may_listen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._events.listener() as listener:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            if scope["method"] == "HEAD":
                listener.end()
            unwatch = watch_departure(scope, receive, listener.end)
            try:
                # `send` waits while the client does not read: then nothing is collected for it.
                while (told := await self._events.next(listener)) and self._may_listen():
                    await send({"type": "http.response.body", "body": told, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                unwatch()


def _told(move: Move) -> dict[str, Any]:
    told = asdict(move)
    del told["number"]  # Nobody asks by it.
    return told


def _event(kind: str, told: Mapping[str, Any]) -> bytes:
    body = json.dumps({"type": kind, "at": round(time.time(), 3), **told}, separators=(",", ":"))
    return f"event: {kind}\ndata: {body}\n\n".encode()
