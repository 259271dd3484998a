"""One answer and its readers: slow ones, those that leave, those that come late, and errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ExpertLost
from experts.types import Request, Usage
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import plan_expert
from orchestrator.request.reuse.run import Run
from orchestrator.request.tracing.trace import Trace

STREAM = "text/event-stream"


class Scripted:
    """Stands in for the pipeline: it sends what the test puts into `pieces`."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.sent = 0
        self.ended = asyncio.Event()

    async def begin(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        trace.plan = plan_expert("tiny")
        trace.attempts = 1
        held = AsyncExitStack()
        held.callback(self.ended.set)
        trace.count("tiny", Usage(3, 4))
        try:
            return StartedAnswer(STREAM, await self._next() or b"", self._rest(), held)
        except BaseException:
            await held.aclose()
            raise

    async def _rest(self) -> AsyncIterator[bytes]:
        while (piece := await self._next()) is not None:
            yield piece

    async def _next(self) -> bytes | None:
        piece = await self.pieces.get()
        if isinstance(piece, Exception):
            raise piece
        self.sent += piece is not None
        return piece

    def put(self, *pieces: bytes | Exception | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)


class Shared:
    """A run over a script, and what it has counted."""

    def __init__(self, most_ahead: int = 1 << 20) -> None:
        self.script = Scripted()
        self.outcomes: Counter[str] = Counter()
        self.kept = 0
        self.joined = False
        self.asked = context()
        self.run = Run(self.asked, self._look, self.script.begin, most_ahead, self._count)
        self.task = self.run.start(self._keep)

    async def join(self) -> tuple[StartedAnswer, Trace]:
        trace, asked = Trace(), context() if self.joined else self.asked
        self.joined = True
        return await self.run.join(asked, trace), trace

    async def _look(self) -> None:
        return None

    async def _keep(self) -> None:
        self.kept += 1

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1


def context() -> RequestContext:
    return RequestContext(Request("r", "chat/completions", {"stream": True}), "tiny")


async def whole(answer: StartedAnswer) -> bytes:
    return answer.first + b"".join([piece async for piece in answer.rest])


async def test_a_late_reader_gets_it_from_the_beginning() -> None:
    shared = Shared()
    shared.script.put(b"a", b"b")
    first, trace = await shared.join()
    assert (first.first, await anext(first.rest)) == (b"a", b"b")
    late, other = await shared.join()
    shared.script.put(b"c", None)
    assert await whole(late) == b"abc"
    assert await anext(first.rest) == b"c"
    assert (trace.cache, other.cache) == ("miss", "coalesced")
    assert shared.outcomes == {"miss": 1, "coalesced": 1}
    assert other.expert == trace.expert == "tiny"


async def test_the_first_that_stays_accounts_for_it_and_nobody_else() -> None:
    shared = Shared()
    shared.script.put(b"a")
    traces = []
    async with AsyncExitStack() as stack:
        leader, gone = await shared.join()
        for _ in "12":
            answer, trace = await shared.join()
            traces.append(trace)
            await stack.enter_async_context(answer)
        async with leader:
            pass
        shared.script.put(None)
        await shared.task
    assert [one.usage for one in (gone, *traces)] == [{}, {"tiny": Usage(3, 4)}, {}]
    assert [one.attempts for one in (gone, *traces)] == [0, 1, 0]
    assert shared.kept == 1


async def test_it_is_aborted_by_the_last_that_leaves_who_pays() -> None:
    shared = Shared()
    shared.script.put(b"a")
    (first, gone), (second, last) = [await shared.join() for _ in "12"]
    async with first:
        pass
    assert not shared.script.ended.is_set()
    async with second:
        pass
    assert shared.script.ended.is_set()
    assert shared.run.given_up
    assert (gone.usage, last.usage) == ({}, {"tiny": Usage(3, 4)})
    assert shared.kept == 0


async def test_who_leaves_before_the_first_byte_ends_it_as_well() -> None:
    shared = Shared()
    joining = asyncio.create_task(shared.join())
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert shared.run.given_up
    assert shared.task.done()


async def test_a_slow_reader_holds_up_nobody_and_the_fastest_sets_the_pace() -> None:
    shared = Shared(most_ahead=2)
    shared.script.put(*[b"x"] * 9, None)
    slow, _ = await shared.join()
    for _ in range(20):
        await asyncio.sleep(0)
    assert shared.script.sent == 4  # The first, two ahead of it, and one that waits for room.
    fast, _ = await shared.join()
    assert await whole(fast) == b"x" * 9
    assert await whole(slow) == b"x" * 9


async def test_an_error_reaches_every_reader_where_it_is() -> None:
    shared = Shared()
    shared.script.put(b"a")
    readers = [(await shared.join())[0] for _ in "12"]
    shared.script.put(b"b", ExpertLost("it broke", expert="tiny"))
    for one in readers:
        assert await anext(one.rest) == b"b"
        with pytest.raises(ExpertLost):
            await anext(one.rest)


async def test_an_error_before_the_first_byte_is_raised_for_each_and_accounted_once() -> None:
    shared = Shared()
    traces = [Trace(), Trace()]
    asking = zip((shared.asked, context()), traces, strict=True)
    joining = [asyncio.create_task(shared.run.join(*one)) for one in asking]
    shared.script.put(ExpertLost("it broke", expert="tiny"))
    for one in joining:
        with pytest.raises(ExpertLost):
            await one
    assert [one.attempts for one in traces] == [1, 0]
    assert [one.cache for one in traces] == ["miss", "coalesced"]
    assert all(one.expert == "tiny" for one in traces)


async def test_whoever_reads_as_it_is_ended_from_outside_gets_an_error() -> None:
    shared = Shared()
    shared.script.put(b"a")
    answer, _ = await shared.join()
    shared.task.cancel()
    with pytest.raises(Exception, match="given up"):
        await whole(answer)


async def test_a_whole_answer_is_given_when_it_is_over(monkeypatch: Any) -> None:
    shared = Shared()
    plain = RequestContext(Request("r", "chat/completions", {}), "tiny")
    joining = asyncio.create_task(shared.run.join(plain, Trace()))
    shared.script.put(b"{}")
    for _ in range(9):
        await asyncio.sleep(0)
    assert not joining.done()
    shared.script.put(None)
    async with await joining as answer:
        assert answer.first == b"{}"
    assert not shared.run.given_up


STEPS = st.lists(st.sampled_from(["join", "leave first", "leave last", "put", "read"]), max_size=20)


@given(STEPS)
async def test_whoever_comes_and_goes_one_pays_and_those_that_stay_have_all(
    steps: list[str],
) -> None:
    shared, put = Shared(), 0
    readers = [_Reading(shared)]
    everyone = list(readers)
    await asyncio.sleep(0)  # It joins.
    for step in steps:
        if step == "join" and readers:
            readers.append(_Reading(shared))
            everyone.append(readers[-1])
        elif step.startswith("leave") and readers:
            await readers.pop(0 if step.endswith("first") else -1).stop()
        elif step == "put":
            shared.script.put(b"%d" % put)
            put += 1
        for _ in range(3):
            await asyncio.sleep(0)
    shared.script.put(b"end", None)
    wanted = b"".join(b"%d" % number for number in range(put)) + b"end"
    assert [await one.whole for one in readers] == [wanted] * len(readers)
    await asyncio.wait([shared.task])
    assert shared.run.given_up == (not readers)
    begun = [one for one in everyone if one.trace.plan is not None]
    assert len(begun) == (1 if shared.run.work.plan is not None else 0)
    assert shared.kept == bool(readers)


class _Reading:
    """A reader in a task of its own, as a client's request is."""

    def __init__(self, shared: Shared) -> None:
        self.trace = Trace()
        asked = context() if shared.joined else shared.asked
        shared.joined = True
        self.whole = asyncio.create_task(self._read(shared, asked))

    async def _read(self, shared: Shared, asked: RequestContext) -> bytes:
        async with await shared.run.join(asked, self.trace) as answer:
            return await whole(answer)

    async def stop(self) -> None:
        self.whole.cancel()
        await asyncio.wait([self.whole])
