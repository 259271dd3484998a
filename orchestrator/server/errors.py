"""The only file that knows HTTP status: every error leaves in OpenAI's shape."""

import json
import math

from starlette.types import Message, Send

from experts.errors import (
    AdminOnly,
    AllBusy,
    BodyTooLarge,
    BudgetSpent,
    CoterieError,
    DeadlinePassed,
    ExpertError,
    ExpertLost,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
    ExpertUnavailable,
    InUse,
    KeyReused,
    LimitReached,
    NameTaken,
    ReloadRefused,
    RequestError,
    RoutingError,
    ServiceStopping,
    StillRunning,
    StoreError,
    TooManyRequests,
    UnknownEncoding,
    UnknownModel,
    UnknownObject,
)
from experts.upstream.quoting import brief, quoted
from experts.upstream.refusals import MAX_RETRY_AFTER_S
from orchestrator.server.bodies.answers import Error, ErrorBody
from orchestrator.server.wire.inflating import ACCEPTED

# The most specific class first: the first match counts.
_STATUS: tuple[tuple[type[CoterieError], int], ...] = (
    (AdminOnly, 403),
    (UnknownModel, 404),
    (UnknownObject, 404),
    (InUse, 409),
    (NameTaken, 409),
    (StillRunning, 409),
    (KeyReused, 422),
    (ReloadRefused, 409),
    (BodyTooLarge, 413),
    (UnknownEncoding, 415),
    (TooManyRequests, 429),
    (LimitReached, 429),
    (RequestError, 400),
    (ExpertOverloaded, 503),
    (ExpertPaused, 503),
    (ExpertTimeout, 504),
    (BudgetSpent, 504),
    (ExpertUnavailable, 503),
    (AllBusy, 503),
    (ExpertLost, 502),
    (ExpertError, 502),
    (RoutingError, 500),
    (DeadlinePassed, 504),
    (ServiceStopping, 503),
    (StoreError, 503),
)
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_BUSY = 503
_TELLING = (AllBusy, ExpertOverloaded, ExpertPaused, ExpertUnavailable, ExpertRefused)
"""Errors that may say when to try again."""
CLIENT_LEFT = 499
"""What proxies log for a client that closed the connection; no client receives it."""
FAREWELL_S = 1.0
"""How long the last words of a service that stops may wait for a client that does not read."""
RETRY_AFTER_S = {429: 1, 503: 5}
"""Seconds a client should wait; the OpenAI SDK obeys it."""

RUNNING_RETRY_S = 1
"""The same where the first request with an `Idempotency-Key` is under way at another gateway."""


def status_of(error: CoterieError) -> int:
    """The HTTP status of an error; an expert's own 4xx and 503 keep their number."""
    if isinstance(error, ExpertRefused):
        return error.status if 400 <= error.status < 500 or error.status == _BUSY else 502
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def headers_of(error: CoterieError, request_id: str) -> dict[str, str]:
    """The headers of an error's response, less those of its body."""
    status = status_of(error)
    wait_s: float | None = RETRY_AFTER_S.get(status)
    told_s = error.retry_after_s if isinstance(error, _TELLING) else None
    if wait_s is not None and told_s is not None:
        wait_s = min(max(told_s, 1), MAX_RETRY_AFTER_S)
    headers = {"x-request-id": request_id}
    if isinstance(error, LimitReached):
        told_s = error.retry_after_s  # Of a minute, or until the day ends.
        wait_s = None if told_s is None else max(1, told_s)
        if not error.retryable:
            headers["x-should-retry"] = "false"  # OpenAI's own clients obey it.
    if isinstance(error, StillRunning):
        wait_s = RUNNING_RETRY_S
    if isinstance(error, UnknownEncoding):
        headers["accept-encoding"] = ACCEPTED  # RFC 9110, 15.5.16.
    return headers if wait_s is None else headers | {"retry-after": str(math.ceil(wait_s))}


def envelope(
    message: str,
    status: int,
    *,
    code: str | None,
    param: str | None = None,
    source: str = "coterie",
    kind: str | None = None,
) -> ErrorBody:
    """OpenAI's error body; `source` tells whose error it is. What is too long is cut."""
    kind = kind or _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    error: Error = {
        "message": brief(message),
        "type": kind,
        "param": param and quoted(param),
        "code": code,
        "source": source,
    }
    return {"error": error}


def body_of(error: CoterieError) -> ErrorBody:
    """The body of any of our errors."""
    status = status_of(error)
    if isinstance(error, ExpertRefused):
        own = error.body
        param = own.get("param")
        return envelope(
            error.message,
            status,
            code=_refusal_code(error),
            param=param if isinstance(param, str) else None,
            source=error.expert,
        )
    source = error.expert if isinstance(error, ExpertError) else "coterie"
    kind = _limit_kind(error) if isinstance(error, LimitReached) else None
    return envelope(
        str(error), status, code=error.code, param=error.param, source=source, kind=kind
    )


def _limit_kind(error: LimitReached) -> str:
    """OpenAI's `type`: which limit of a minute it is, or that the account is exhausted."""
    return error.code if error.quota else error.kind


def _refusal_code(error: ExpertRefused) -> str:
    """The expert's own code; engines that put the HTTP status there get a telling one."""
    code = error.body.get("code")
    if isinstance(code, str):
        return code
    if "context length" in error.message:
        return "context_length_exceeded"
    return {400: "invalid_request", 404: "not_found"}.get(error.status, error.code)


def service_stopping() -> ServiceStopping:
    """What every request that is under way is told when the service stops."""
    return ServiceStopping("The service stops before this request is finished.", hint="Try again.")


async def send_error(
    error: CoterieError, request_id: str, send: Send, told: ErrorBody | None = None
) -> None:
    """A whole error response; `told` is its body, where it is worded otherwise."""
    body = json.dumps(told or body_of(error)).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    await send(response_start(status_of(error), headers | headers_of(error, request_id)))
    await send({"type": "http.response.body", "body": body})


def response_start(status: int, headers: dict[str, str]) -> Message:
    """The head of a response."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}
