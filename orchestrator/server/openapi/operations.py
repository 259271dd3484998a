"""What an endpoint takes and answers, as the piece of the OpenAPI document beside its route."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.request.tracing.presentation import HEADERS

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
SCHEMAS = "#/components/schemas/"
ANTHROPIC = "anthropic"
"""The tag of endpoints whose errors have Anthropic's shape."""
MODEL = "pool/auto"
"""The model of examples; the document names one of the configuration instead."""

READ = (500,)
"""The errors of what only reads our own state."""
POSTED = (400, 413, 415, 429, 500, 503)
"""Those of every request with a body."""
ASKED = (404, *POSTED, 422, 502, 504)
"""Those of a request that an expert answers."""
CALLED = (400, 404, 413, 415, 422, 429, 500, 502, 503, 504)
"""Those of a call that is passed on to an expert's server."""

_ERRORS = {
    400: "The request cannot be served as it was sent.",
    401: "There is no known API key in the request.",
    403: "The call changes the service, or shows all of it, which this caller may not.",
    404: "There is no model, expert, router or request of that name.",
    409: "What would be deleted is still needed, a name is taken, a reload is refused, or the first"
    " request with this `Idempotency-Key` is under way at another gateway.",
    413: "The body has more bytes than `server.max_body_mb` allows.",
    415: "The body's `content-encoding` is not known.",
    422: "The expert refuses the request, or its `Idempotency-Key` was that of another one.",
    429: "Too many requests are under way or wait for the expert, or the key's limit is reached.",
    500: "A fault of ours; the log has its traceback.",
    502: "The expert failed.",
    503: "The expert cannot be loaded now, or the service stops.",
    504: "The expert did not answer in time, or a panel's budget was spent.",
}
_WITH_RETRY = (429, 503)


def reference(kind: type[Any]) -> dict[str, str]:
    """Where the document has the schema of a type."""
    return {"$ref": f"{SCHEMAS}{kind.__name__}"}


def response(about: str, content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A response with its headers, `x-request-id` among them."""
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("x-request-id", *names)}
    return {"description": about, "headers": headers, "content": dict(content)}


def error_responses(statuses: Sequence[int]) -> dict[str, Any]:
    """References to the responses that the document has for errors."""
    return {str(s): {"$ref": f"#/components/responses/{s}"} for s in sorted(statuses)}


def all_errors(error: type[Any]) -> dict[str, Any]:
    """Those responses."""
    content = {JSON: {"schema": reference(error)}}
    return {
        str(status): response(about, content, *(["retry-after"] * (status in _WITH_RETRY)))
        for status, about in _ERRORS.items()
    }


def json_of(kind: type[Any]) -> dict[str, Any]:
    """The content of a response that is JSON of this type."""
    return {JSON: {"schema": reference(kind)}}


def events_of(kind: type[Any], error: type[Any]) -> dict[str, Any]:
    """The content of a response that is a stream of such events, an error, and `[DONE]`."""
    either = {"anyOf": [reference(kind), reference(error)]}
    said = {"contentMediaType": JSON, "contentSchema": either}
    data = {"type": "string", "anyOf": [{"const": "[DONE]"}, said]}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    about = "Server-sent events; comments between them tell what the answer is waiting for."
    return {EVENT_STREAM: {"schema": {"description": about}, "itemSchema": event}}


def named_events_of(kind: type[Any]) -> dict[str, Any]:
    """The content of a response that is a stream of events with names, an error among them."""
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": reference(kind)}
    names = {"type": "string"}
    event = {
        "type": "object",
        "properties": {"event": names, "data": data},
        "required": ["event", "data"],
    }
    about = "Server-sent events, each named as the `type` of its data says."
    return {EVENT_STREAM: {"schema": {"description": about}, "itemSchema": event}}


def as_anthropic(operation: dict[str, Any], error: type[Any]) -> dict[str, Any]:
    """An operation whose errors have Anthropic's shape, that type."""
    worded = all_errors(error)
    responses = {status: worded.get(status, one) for status, one in operation["responses"].items()}
    return {**operation, "responses": responses}


def takes(body: type[Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an operation about its body."""
    content = {"schema": reference(body), "example": dict(example)}
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def answers(
    about: str,
    content: Mapping[str, Any],
    errors: Sequence[int] = READ,
    headers: Sequence[str] = (),
    others: Mapping[int, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The part of an operation about its responses; `others` are those that are no errors."""
    found = {"200": response(about, content, *headers), **error_responses(errors)}
    return {"responses": found | {str(s): dict(one) for s, one in (others or {}).items()}}


OURS = tuple(HEADERS)
"""The headers of an answer that an expert has given."""
