"""Lets requests with an `Idempotency-Key` run once, and gives their retries the same response.

As draft-ietf-httpapi-idempotency-key-header describes it: a retry with the same key and body gets
the response of the first request, which it waits for; with another body, HTTP 422; and where the
first one runs at another gateway, HTTP 409.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha256

from starlette.requests import Request as HttpRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from experts.errors import CoterieError, KeyReused, StillRunning
from orchestrator.keys.charge import charged
from orchestrator.server.auth import caller_of
from orchestrator.server.context import read_body, request_id_of, trace_of
from orchestrator.server.errors import FAREWELL_S, send_error, service_stopping
from orchestrator.server.gates.in_flight import InFlight
from orchestrator.server.reuse.idempotency_key import key_of, keys_given
from orchestrator.server.reuse.ledger import Ledger
from orchestrator.server.reuse.work import Follower, Work
from orchestrator.server.wire.exchange import detach
from orchestrator.server.wire.layers import Layer, with_headers

_BODY_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")
_OK = 200


class Idempotency:
    """The requests with a key that run at this gateway, and what all gateways know of them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.works: dict[str, Work] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.replays = 0

    async def stop(self) -> None:
        """End what still runs."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)


class IdempotencyGate(Layer):
    """Inside the key gate; around those that count what is under way and what it costs."""

    def __init__(
        self, app: ASGIApp, idempotency: Idempotency, in_flight: InFlight, max_body_mb: float
    ) -> None:
        super().__init__(app)
        self._held = idempotency
        self._in_flight = in_flight
        self._max_body_mb = max_body_mb

    def concerns(self, scope: Scope) -> bool:
        """Those that have such a key, where it means anything."""
        return bool(keys_given(scope))

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run it, or give the response of the first one."""
        http = HttpRequest(scope, receive)
        request_id = request_id_of(http)
        with ExitStack() as held:
            try:
                if (refusal := self._in_flight.refusal()) is not None:
                    raise refusal  # Before its body is read.
                name = key_of(keys_given(scope))
                raw = await read_body(http, self._max_body_mb)
                work, again = await self._work(scope, name, raw)
                if again:  # What runs is counted where it does; who waits for it is as well.
                    self._in_flight.enter()
                    held.callback(self._in_flight.leave)
                    held.enter_context(_counted_for_its_key(scope))
            except CoterieError as error:
                await send_error(error, request_id, send)
                return
            follower = Follower(work, request_id, send, partial(_limits, scope))
            await self._follow(follower, work, again=again)

    async def _follow(self, follower: Follower, work: Work, *, again: bool) -> None:
        try:
            await follower.follow(again=again)
        except asyncio.CancelledError:
            # The service stops, and what runs says so itself.
            assert work.task is not None
            work.task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await follower.follow(again=again)
            raise

    async def _work(self, scope: Scope, name: str, raw: bytes) -> tuple[Work, bool]:
        """The request under way that this one is, and whether another one has begun it.

        Raises KeyReused, and LimitReached for a retry.
        """
        held, caller = self._held, caller_of(scope)
        owner = caller.name if caller is not None else None
        key = sha256(json.dumps([owner, name]).encode()).hexdigest()
        fingerprint = sha256(scope["path"].encode() + b"\n" + raw).hexdigest()
        while (work := held.works.get(key)) is not None and work.runs_again:
            assert work.task is not None
            await asyncio.wait([work.task])  # Until that is noted, nobody may run it again.
        if work is None:
            held.works[key] = work = Work(fingerprint)
            work.task = asyncio.create_task(self._run(work, key, scope, raw))
            held.tasks.add(work.task)
            work.task.add_done_callback(held.tasks.discard)
            return work, False
        if work.fingerprint != fingerprint:
            raise _reused()
        await self._count_replay(scope)
        return work, True

    async def _run(self, work: Work, key: str, scope: Scope, raw: bytes) -> None:
        held = self._held
        try:
            known = await held.ledger.claim(key, work.fingerprint)
            if known is None:
                await self._execute(work, key, scope, raw)
            elif known.fingerprint != work.fingerprint:
                work.refusal = _reused()
            elif known.status is None:
                work.refusal = _running()
            else:
                await self._count_replay(scope)
                work.replay(known)
        except CoterieError as error:  # The key's limit.
            work.refusal = error
        finally:
            work.end()
            del held.works[key]

    async def _execute(self, work: Work, key: str, scope: Scope, raw: bytes) -> None:
        ledger, over = self._held.ledger, asyncio.Event()
        holding = asyncio.create_task(ledger.hold(key, work.fingerprint, over))
        detach(scope)
        with_headers(scope, _with_length(scope["headers"], len(raw)))
        record = None
        try:
            await self._app(scope, _receiving(raw), work.send)
            work.failed = not _is_answered(scope)
            record = work.record
            work.end()
        except Exception as error:
            work.end(error)
        except asyncio.CancelledError:
            work.end(service_stopping())
            raise
        finally:
            over.set()
            await asyncio.wait([holding])
            await ledger.finish(key, record)

    async def _count_replay(self, scope: Scope) -> None:
        """It costs its key a request and no tokens. Raises LimitReached."""
        caller = caller_of(scope)
        if caller is not None and caller.entry.limiter.has_limits:
            charge = await charged(caller.entry.limiter, None, 0.0)
            charge.end({}, {}, is_guessed=False)
        self._held.replays += 1


def _with_length(headers: Sequence[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """The headers of a body that has been unpacked."""
    others = [one for one in headers if one[0] not in _BODY_HEADERS]
    return [*others, (b"content-length", str(length).encode())]


def _receiving(raw: bytes) -> Receive:
    """A client that has sent this body, and stays."""
    messages: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.get_running_loop().create_future()
        return messages.pop()

    return receive


def _is_answered(scope: Scope) -> bool:
    """Whether it did not fail, be it in the middle of a stream."""
    trace = trace_of(scope)
    return trace is None or (trace.status == _OK and trace.error is None)


@contextmanager
def _counted_for_its_key(scope: Scope) -> Iterator[None]:
    """A request of its key is under way. Raises LimitReached."""
    caller = caller_of(scope)
    if caller is None:
        yield
        return
    caller.entry.limiter.enter()
    try:
        yield
    finally:
        caller.entry.limiter.leave()


def _limits(scope: Scope) -> list[tuple[str, str]]:
    """What is left to the key, as every answer to it says."""
    caller = caller_of(scope)
    return [] if caller is None else [*caller.entry.limiter.headers().items()]


def _reused() -> KeyReused:
    return KeyReused(
        "This Idempotency-Key was that of another request.",
        hint="A retry must have the same path and body; another request needs a key of its own.",
        param="Idempotency-Key",
    )


def _running() -> StillRunning:
    return StillRunning(
        "The first request with this Idempotency-Key is under way at another gateway.",
        hint="Try again in a moment.",
        param="Idempotency-Key",
    )
