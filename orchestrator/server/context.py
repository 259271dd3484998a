"""What every endpoint needs, and the small things all of them do."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request as HttpRequest

from experts.errors import BodyTooLarge
from orchestrator.config.model import Config
from orchestrator.request.pipeline import Pipeline
from orchestrator.request.tracing.sinks import AccessLog, TraceSink
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.metrics import Metrics
from routers.base import Encoder, Router

MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running service that endpoints use."""

    config: Config
    pool: ExpertPool
    pipeline: Pipeline
    encoder: Encoder
    client: httpx.AsyncClient
    make_router: Callable[[str], Router]
    """Builds a router of the configuration anew; blocks for seconds. Raises ConfigError."""
    metrics: Metrics = field(default_factory=Metrics)
    sinks: tuple[TraceSink, ...] = (AccessLog(),)
    """What gets the trace of every request, beside the metrics."""


def context_of(http: HttpRequest) -> Context:
    """The context that the application was made with."""
    context: Context = http.app.state.context
    return context


def request_id_of(http: HttpRequest) -> str:
    """The client's `x-request-id`, or a new one."""
    given = http.headers.get("x-request-id", "")
    given = "".join(letter for letter in given if letter.isascii() and letter.isprintable())
    return given[:MAX_REQUEST_ID] or f"req-{uuid.uuid4().hex}"


async def read_body(http: HttpRequest, max_mb: float) -> bytes:
    """The request body. Raises BodyTooLarge as soon as it is over the bound."""
    limit = int(max_mb * (1 << 20))
    pieces: list[bytes] = []
    size = 0
    async for piece in http.stream():
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(f"The body is larger than {max_mb:g} MB (server.max_body_mb).")
        pieces.append(piece)
    return b"".join(pieces)
