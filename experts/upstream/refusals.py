"""What an expert's server answers in place of an answer: whose fault it is, and what may be told.

An error about the request is the client's and passes, without what looks like a key. One about how
we ask (the key, the account, the model, the address) is the operator's, and so is a failure of the
server: the log has its words, not the client.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

from experts.errors import ExpertError, ExpertMisconfigured, ExpertRefused
from experts.upstream.blame import is_about_us
from experts.upstream.redaction import redacted
from experts.upstream.validation import in_plain_words

LOGGER = logging.getLogger("coterie.experts")

CLIENTS = (400, 413, 422)
"""Statuses that are about the request."""
RATE_LIMITED = 429
MAX_RETRY_AFTER_S = 120.0
"""The OpenAI SDK does not try again at all when it is told to wait for longer."""
FAILURES = 500
"""From here on, a status tells of the server, not of the request."""
UNKNOWN = 502
LOGGED = 300

_HINTS = {
    401: "Its `api_key` may be wrong.",
    402: "Its account may be out of credit.",
    403: "Its `api_key` may lack a right.",
    404: "Its `base_url` or its `model` may be wrong.",
    405: "Its `base_url` may be wrong.",
    408: "Its server waited for the request for too long.",
    RATE_LIMITED: "Its account may be out of credit.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom an error is from, and what must not be told of it."""

    expert: str
    secrets: tuple[str, ...] = ()


def refused_by(
    asked: Asked, status: int, content: bytes, headers: Mapping[str, str] | None = None
) -> ExpertError:
    """The error of a response whose status is not 2xx."""
    headers = headers or {}
    packed = headers.get("content-encoding", "identity") != "identity"
    error = {} if packed else _error_in(content)
    return _error(asked, status, error, retry_after_s(headers))


def told_error(asked: Asked, error: Any) -> ExpertError:
    """The error that stands in an answer, whose own status was 200; it may tell a better one.

    One that tells none, or a server's, is a failure of the server.
    """
    body = error if isinstance(error, dict) else {"message": error}
    told = [body.get(name) for name in ("status", "code", "status_code")]
    numbers = [int(one) for one in told if _is_status(one)]
    status = numbers[0] if numbers and numbers[0] < FAILURES else UNKNOWN
    return _error(asked, status, body, None)


def refusal(expert: str, status: int, error: Any) -> ExpertRefused:
    """The error that a server sent, whatever shape it has, as the client's: nothing is judged."""
    body = error if isinstance(error, dict) else {"message": str(error)}
    message = body.get("message")
    said = (
        in_plain_words(str(message))
        if message
        else f"Expert {expert} answered with status {status}."
    )
    return ExpertRefused(said, expert=expert, status=status, body=body)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds that a response asks to wait for, at most 120; it may tell a date."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) * unit_s
        except ValueError:
            seconds = _until(value)
        if math.isfinite(seconds) and seconds >= 0:
            return min(seconds, MAX_RETRY_AFTER_S)
    return None


def _until(date: str) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return math.nan


def _error(
    asked: Asked, status: int, error: Mapping[str, Any], after_s: float | None
) -> ExpertError:
    body = {name: _clean(error.get(name), asked) for name in ("message", "type", "param", "code")}
    words = in_plain_words(str(body["message"] or ""))
    passes = status in (*CLIENTS, RATE_LIMITED)
    ours = status < FAILURES and (not passes or is_about_us(error, limited=status == RATE_LIMITED))
    if ours or not passes:
        # What a server says of our key, or of itself, is for whoever runs the service.
        LOGGER.error("expert %s: HTTP %d of its server: %s", asked.expert, status, words[:LOGGED])
    if ours:
        return _misconfigured(asked.expert, status)
    if not passes:
        words, body = f"The server of expert {asked.expert} failed.", {}
    message = words or f"Expert {asked.expert} answered with status {status}."
    return ExpertRefused(
        message, expert=asked.expert, status=status, body=body, retry_after_s=after_s
    )


def _misconfigured(expert: str, status: int) -> ExpertMisconfigured:
    redirected = 300 <= status < 400
    hint = "Its `base_url` leads elsewhere." if redirected else _HINTS.get(status, "")
    return ExpertMisconfigured(
        f"Expert {expert} cannot be asked: its server refuses the service itself (HTTP {status}).",
        expert=expert,
        hint=hint or "Its configuration may be wrong.",
    )


def _clean(value: Any, asked: Asked) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, RecursionError):  # A number of thousands of digits; a tree too deep.
        return None
    return redacted(text, asked.secrets)


def _error_in(content: bytes) -> Mapping[str, Any]:
    """The error in a response's body; a page that is not an API's is none."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        text = content.decode("utf-8", "replace").strip()
        return {} if text.startswith("<") else {"message": text}
    found = body.get("error") or body if isinstance(body, dict) else body
    if isinstance(found, dict):
        # FastAPI has `detail`; a few servers have the message alone.
        return found if found.get("message") else {**found, "message": found.get("detail")}
    return {"message": found}


def _is_status(told: Any) -> TypeGuard[int | str]:
    if isinstance(told, str):
        return len(told) == 3 and told.isdecimal() and told[0] in "45"
    return isinstance(told, int) and 400 <= told < 600
