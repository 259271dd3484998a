"""One answer that several requests read while it comes: asked for once, whoever of them leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from experts.errors import InternalError
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.reuse.accounts import LiveSource, adopt
from orchestrator.request.reuse.kept import KeptAnswer
from orchestrator.request.reuse.reader import Reader
from orchestrator.request.tracing.trace import AnswerSource, Outcome, Trace

Look = Callable[[], Awaitable[KeptAnswer | None]]
Begin = Callable[[RequestContext, Trace], Awaitable[StartedAnswer]]


class Run:
    """Aborted once nobody reads it any more.

    Every piece is kept until the end, so that a slow reader holds up nobody; the answer is no more
    than `most_ahead` bytes ahead of the fastest.
    """

    def __init__(
        self,
        asked: RequestContext,
        look: Look,
        begin: Begin,
        most_ahead: int,
        count: Callable[[Outcome], None],
    ) -> None:
        """`look` finds a kept answer, `begin` asks for one; `count` gets what each reader got."""
        self.asked = asked
        self.work = Trace()
        """What was done; the first of the readers that stays accounts for it."""
        self.kept: KeptAnswer | None = None
        self.error: BaseException | None = None
        self.over = False
        self.given_up = False
        self._look, self._begin, self._count = look, begin, count
        self._most_ahead = most_ahead
        self.content_type = ""
        self._pieces: list[bytes] = []
        self._size = 0
        self._readers: list[Reader] = []
        self._told = False
        self._paid = False
        self._is_full = False
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def body(self) -> bytes:
        """All that has come by now."""
        return b"".join(self._pieces)

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._size

    @property
    def source(self) -> AnswerSource:
        """What is told of it."""
        return self.kept or LiveSource(self.asked, self.work)

    async def join(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        """The answer for one more request, which must ask for the same; raises as the pipeline."""
        reader = Reader(self, context, trace)
        trace.doing = lambda: self.work.doing()
        self._readers.append(reader)
        if self._told:
            self._tell(reader)
        held = AsyncExitStack()
        held.push_async_callback(reader.leave)
        try:
            first = await reader.begin()
        except BaseException:
            await held.aclose()
            raise
        return StartedAnswer(self.content_type, first, reader.rest(), held)

    async def piece(self, number: int) -> bytes | None:
        """A piece, once it is there; None behind the last. Raises what the pipeline raised."""
        while number >= len(self._pieces):
            if self.error is not None:
                raise self.error
            if self.over:
                return None
            await self._news.wait()
        return self._pieces[number]

    def taken(self) -> None:
        """A reader has sent another piece on."""
        if self._is_full:
            self._wake()

    async def leave(self, reader: Reader) -> None:
        """A reader is done, or has gone; the last of them ends it."""
        if len(self._readers) == 1 and not self.over:
            self.given_up = True
            assert self._task is not None
            self._task.cancel()
            await asyncio.wait([self._task])
        reader.trace.missed = self.work.missed  # It is theirs as well.
        pays = reader is self._readers[0] and (self.over or self.given_up)
        self._readers.remove(reader)
        if pays and self.kept is None and not self._paid:
            self._paid = True
            adopt(reader.trace, self.work)
        self._wake()

    def start(self, keep: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """Begin; `keep` is called when it is over, and before the task ends."""
        self._task = asyncio.create_task(self._go(keep))
        return self._task

    async def _go(self, keep: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._answer()
        except Exception as error:
            self.error = error
        except BaseException:
            self.error = InternalError("The answer was given up.")
            raise
        finally:
            self.over = True
            self._wake()
        await keep()

    async def _answer(self) -> None:
        self.kept = await self._look()
        self.work.cache, self._told = "miss", True
        for reader in self._readers:
            self._tell(reader)
        if self.kept is not None:
            self.content_type = self.kept.content_type
            self._add(self.kept.body)
            return
        async with await self._begin(self.asked, self.work) as answer:
            self.content_type = answer.content_type
            self._add(answer.first)
            async for piece in answer.rest:
                await self._room()
                self._add(piece)

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()

    async def _room(self) -> None:
        while self._size - max(one.bytes_sent for one in self._readers) > self._most_ahead:
            self._is_full = True
            await self._news.wait()
        self._is_full = False

    def _tell(self, reader: Reader) -> None:
        """A reader learns where its answer comes from."""
        trace, mine = reader.trace, reader.context is self.asked
        trace.cache = "hit" if self.kept is not None else "miss" if mine else "coalesced"
        trace.source = self.source
        self._count(trace.cache)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
