"""An access line for each request that ended before the pipeline could trace it."""

import asyncio
import logging
import time
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from experts.errors import InternalError
from orchestrator.request.tracing.current import CURRENT, Current
from orchestrator.request.tracing.sinks import ACCESS
from orchestrator.server.auth import caller_of
from orchestrator.server.context import id_in, is_traced
from orchestrator.server.drain import Drain
from orchestrator.server.errors import (
    CLIENT_LEFT,
    FAREWELL_S,
    send_error,
    service_stopping,
    status_of,
)
from orchestrator.server.telemetry.metrics import Metrics
from orchestrator.server.wire.layers import Layer

LOGGER = logging.getLogger("coterie.server")
_PROBES = ("/health", "/health/liveness", "/health/readiness", "/metrics")
"""What monitoring asks every few seconds: told at level debug, and never counted."""
_ID = b"x-request-id"
_FILES = "/console/"
"""So are the files of the console, of which a browser asks for dozens at once."""


class AccessGate(Layer):
    """Logs the requests that leave no trace, and counts those of them that were refused.

    A client that leaves, a service that stops, and a fault of ours end here. A slash at the end of
    a path is left out. While the service drains, every answer is the last one of its connection.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, drain: Drain) -> None:
        super().__init__(app)
        self._metrics = metrics
        self._drain = drain

    def concerns(self, scope: Scope) -> bool:
        """Everything."""
        return True

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and tell of it."""
        started = time.perf_counter()
        # In place, for every layer; a redirect would name the scheme and host behind a proxy.
        scope["path"] = scope["path"].rstrip("/") or "/"
        request_id = id_in(scope)  # Every inner layer gets this one, too.
        CURRENT.set(Current(request_id, None))
        status: int | None = None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = _with_id(message, request_id, last=self._drain.begun)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except asyncio.CancelledError:
            # The server ends what is under way. A raise would only be a traceback in its log.
            if status is None:
                status = await _farewell(request_id, send)
        except Exception as error:
            LOGGER.error("request %s failed", request_id, exc_info=error)
            if status is not None:
                raise  # The answer has begun: the server breaks the connection off.
            fault = InternalError("The server failed to answer; its log says why.")
            await send_error(fault, request_id, noting)
        finally:
            if not is_traced(scope):
                self._tell(scope, request_id, status or CLIENT_LEFT, time.perf_counter() - started)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        probe = scope["path"] in _PROBES or scope["path"].startswith(_FILES)
        if status >= 400 and not probe:
            self._metrics.count_untraced(status)
        level = logging.DEBUG if probe else logging.INFO
        if ACCESS.isEnabledFor(level):
            fields = _fields(scope, request_id, status, seconds)
            ACCESS.log(level, "request", extra={"access": fields})


def _with_id(head: Message, request_id: str, *, last: bool) -> Message:
    """The head of a response with the id under which its line is found.

    After the `last` one, its connection is closed: the next request goes to another gateway.
    """
    headers = list(head.get("headers", ()))
    added = [] if _ID in dict(headers) else [(_ID, request_id.encode())]
    if last:
        added.append((b"connection", b"close"))
    return {**head, "headers": [*headers, *added]} if added else head


def _fields(scope: Scope, request_id: str, status: int, seconds: float) -> dict[str, Any]:
    caller = caller_of(scope)
    return {
        "id": request_id,
        "path": scope["path"],
        "method": scope["method"],
        "status": status,
        "key": caller.name if caller is not None else None,
        "total_ms": round(1000 * seconds, 2),
    }


async def _farewell(request_id: str, send: Send) -> int:
    """Tell a client that got nothing yet why it gets no answer; the status."""
    error = service_stopping()
    try:
        async with asyncio.timeout(FAREWELL_S):
            await send_error(error, request_id, send)
    except TimeoutError:
        return CLIENT_LEFT
    return status_of(error)
