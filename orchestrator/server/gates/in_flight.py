"""The bound on requests under way, and their end when the service stops.

Both are kept before anything of a request is read.
"""

import json
from collections.abc import Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from experts.errors import CoterieError, ServiceStopping, TooManyRequests
from orchestrator.server.auth import is_guarded
from orchestrator.server.context import request_id_of
from orchestrator.server.drain import Drain
from orchestrator.server.errors import body_of, headers_of, status_of
from orchestrator.server.telemetry.metrics import Metrics
from orchestrator.server.wire.layers import Layer

_CHEAP = ("/health", "/health/readiness", "/v1/models", "/openapi.json")
"""What reads our own state only, below an expert's path; the operators' pages do, too."""
DRAIN = "/coterie/drain"
"""Also a gateway with too much to do can be told to take no more."""


class InFlight:
    """The bound, and the count."""

    def __init__(self, metrics: Metrics, drain: Drain, at_most: Callable[[], int]) -> None:
        self._metrics = metrics
        self._drain = drain
        self._at_most = at_most

    def refusal(self) -> CoterieError | None:
        """Why a request is not let in now."""
        if self._drain.refuses:
            return ServiceStopping("The service stops: it takes no more requests.", hint="Retry.")
        if self._metrics.in_flight >= self._at_most():
            return TooManyRequests("Too many requests are under way (server.max_in_flight).")
        return None

    def enter(self) -> None:
        """A request is under way, until `leave`."""
        self._metrics.in_flight += 1
        self._drain.entered()

    def leave(self) -> None:
        """It has been answered."""
        self._metrics.in_flight -= 1
        self._drain.left()


class InFlightGate(Layer):
    """Counts requests that cost something until their answer has ended.

    Refuses those that are too many, and all of them once the service stops.
    """

    def __init__(self, app: ASGIApp, in_flight: InFlight) -> None:
        super().__init__(app)
        self._in_flight = in_flight

    def concerns(self, scope: Scope) -> bool:
        """What costs something."""
        return _costs(scope["method"], scope["path"])

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count it, or refuse it."""
        if (error := self._in_flight.refusal()) is not None:
            await _refusal(scope, error)(scope, receive, send)
            return
        self._in_flight.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight.leave()


def _costs(method: str, path: str) -> bool:
    """Whatever has a body, and whatever an expert's engine answers."""
    if method == "POST":
        return is_guarded(path) and path != DRAIN
    return path.startswith("/e/") and not path.endswith(_CHEAP)


def _refusal(scope: Scope, error: CoterieError) -> Response:
    headers = headers_of(error, request_id_of(HttpRequest(scope)))
    return Response(json.dumps(body_of(error)), status_of(error), headers, "application/json")
