"""What every endpoint needs, and the small things all of them do."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Scope

from experts.errors import BodyTooLarge, ReloadRefused
from orchestrator.batch.runner import Batching
from orchestrator.config.model import Config
from orchestrator.keys.ring import KeyRing
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.reuse.answers import Answers
from orchestrator.request.tracing.identity import Identity, read_identity, with_span
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.bodies.feedback import MAX_REQUEST_ID
from orchestrator.server.drain import Drain
from orchestrator.server.telemetry.metrics import Metrics
from orchestrator.server.telemetry.telemetry import DRAIN, Telemetry
from orchestrator.server.wire.inflating import encodings_of, inflate
from orchestrator.server.wire.layers import fields_of
from routers.base import Router

CONTEXT = "coterie.context"
"""Where the application notes in the ASGI scope what it serves a request with."""
_REQUEST_ID = "coterie.request_id"
_TRACED = "coterie.traced"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running service that endpoints use."""

    config: Config
    pool: ExpertPool
    pipeline: Pipeline
    make_router: Callable[[str], Router]
    """Builds a router of the configuration anew; blocks for seconds. Raises ConfigError."""
    keys: KeyRing
    telemetry: Telemetry = field(default_factory=Telemetry)
    """Among other things, what gets the trace of every request."""
    drain: Drain = field(default_factory=Drain)
    batching: Batching | None = None
    """Files and batches; None where the service has none."""
    answers: Answers | None = None
    """What gives answers again; None where there is no cache."""

    def answer(self, asked: RequestContext, trace: Trace) -> Awaitable[StartedAnswer]:
        """Begin to answer, or give an answer that is there already."""
        return (self.answers or self.pipeline).answer(asked, trace)

    async def leave_batches(self) -> None:
        """To other gateways, or to the next start: once nothing is loaded, lines would fail."""
        if self.batching is not None:
            await self.batching.runner.stop()

    async def set_drained(self, out: bool) -> int:
        """Take the service out of its load balancer, with all of its workers, or put it back.

        Returns how many requests are under way. A worker that stops stays out.
        """
        siblings = self.telemetry.siblings
        if siblings is None:
            return await self._turn(out)
        siblings.drained = out
        own, told = await asyncio.gather(self.follow_drain(), siblings.ask({"what": DRAIN}))
        return own + sum(int(count or 0) for count in told.values())

    def reaches_one(self, would: str) -> ReloadRefused | None:
        """Why no call may change the configuration of this worker, where there are others.

        `would` says what those would do; told also before somebody asks for the change.
        """
        if self.telemetry.siblings is None:
            return None
        message = f"The other workers of this service {would}."
        return ReloadRefused(message, hint="Write it into the file, and reload.")

    async def follow_drain(self) -> int:
        """Do as all workers of the service do; returns the requests that are under way here."""
        siblings = self.telemetry.siblings
        return await self._turn(siblings is not None and siblings.drained)

    async def _turn(self, out: bool) -> int:
        if out:
            self.drain.begin()
            await self.leave_batches()
        else:
            self.drain.end()
            if self.batching is not None and not self.drain.begun:
                self.batching.runner.start()
        return self.drain.in_flight

    @property
    def metrics(self) -> Metrics:
        """What Prometheus can scrape of requests."""
        return self.telemetry.metrics


def context_of(http: HttpRequest) -> Context:
    """What the application serves with: the same for one request from beginning to end."""
    context: Context = http.scope[CONTEXT]
    return context


def request_id_of(http: HttpRequest) -> str:
    """The client's `x-request-id`, or a new one; always the same for one request."""
    return id_in(http.scope)


def id_in(scope: Scope) -> str:
    """`request_id_of`, by the ASGI scope."""
    known: str | None = scope.get(_REQUEST_ID)
    if known is not None:
        return known
    given = fields_of(scope).get(b"x-request-id", b"").decode("latin-1")
    if not (given.isascii() and given.isprintable()):
        given = "".join(letter for letter in given if letter.isascii() and letter.isprintable())
    scope[_REQUEST_ID] = made = given[:MAX_REQUEST_ID] or f"req-{os.urandom(16).hex()}"
    return made


def identity_of(http: HttpRequest, sample: float | None) -> Identity | None:
    """The trace that the client says its request belongs to, or one of ours if spans are made."""
    parent = fields_of(http.scope).get(b"traceparent")
    told = None
    if parent is not None:
        # A header in several lines is one list.
        state = ",".join(http.headers.getlist("tracestate"))
        told = read_identity(parent.decode("latin-1"), state)
    return told if sample is None else with_span(told, sample)


def mark_traced(scope: Scope, trace: Trace) -> None:
    """Note that the sinks get the trace of this request, which has its access line from them."""
    scope[_TRACED] = trace


def trace_of(scope: Scope) -> Trace | None:
    """The trace of this request, if the sinks get one."""
    trace: Trace | None = scope.get(_TRACED)
    return trace


def is_traced(scope: Scope) -> bool:
    """Whether the sinks get the trace of this request."""
    return _TRACED in scope


async def read_body(http: HttpRequest, max_mb: float) -> bytes:
    """The request body, unpacked.

    Raises BodyTooLarge as soon as it is known to be over the bound, packed or unpacked, and
    UnknownEncoding or RequestError where it cannot be unpacked.
    """
    limit = int(max_mb * (1 << 20))
    fields = fields_of(http.scope)
    encodings: list[str] = []
    if b"content-encoding" in fields:
        # A header in several lines is one list (RFC 9110, 5.3).
        encodings = encodings_of(", ".join(http.headers.getlist("content-encoding")))
    announced = fields.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(max_mb)
    body = await _whole_body(http, limit)
    if body is None:
        raise _too_large(max_mb)
    # In a thread: what it unpacks may be a thousand times as large.
    return await asyncio.to_thread(inflate, body, encodings, limit) if encodings else body


async def _whole_body(http: HttpRequest, limit: int) -> bytes | None:
    """The body; None as soon as it is over the bound. Raises ClientDisconnect."""
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await http.receive()  # Not `stream`, whose layers cost more than the read.
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
        size += len(pieces[-1])
        if size > limit:
            return None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(max_mb: float) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {max_mb:g} MB (server.max_body_mb).")
