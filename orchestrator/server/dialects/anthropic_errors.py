"""OpenAI's error bodies in Anthropic's shape. Pure."""

from typing import Any

from orchestrator.server.bodies.answers import ErrorBody

_BY_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_BY_TYPE = {
    "server_error": "api_error",
    "insufficient_quota": "rate_limit_error",
}
"""Ours that Anthropic calls otherwise; the rest is called alike."""


def anthropic_error(body: ErrorBody, request_id: str, status: int | None = None) -> dict[str, Any]:
    """The error; within a stream, which has no status, its type tells less."""
    told = body["error"]
    if status is None:
        kind = _BY_TYPE.get(told["type"], told["type"])
    else:
        kind = _BY_STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {
        "type": "error",
        # Beyond Anthropic's two fields: where it is wrong, the stable name, and whose error it is.
        "error": {**told, "type": kind},
        "request_id": request_id,
    }
