"""Answers that the gateway gives itself, in OpenAI's shapes: no expert was asked."""

import json
import time
from collections.abc import Iterator
from typing import Any

from experts.types import Request

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"


def content_type(request: Request) -> str:
    """Of the answer to a request."""
    return EVENT_STREAM if request.stream else JSON


def spoken(request: Request, model: str, text: str) -> bytes:
    """The whole answer, or all events of its stream; it used no tokens."""
    if not request.stream:
        return json.dumps(_whole(request, model, text)).encode()
    return b"".join(_events(request, model, text))


def _whole(request: Request, model: str, text: str) -> dict[str, Any]:
    chat = request.operation == "chat/completions"
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **said, "logprobs": None, "finish_reason": "stop"}
    kind = "chat.completion" if chat else "text_completion"
    return {**_head(request, model, kind), "choices": [choice], "usage": _usage()}


def _events(request: Request, model: str, text: str) -> Iterator[bytes]:
    chat = request.operation == "chat/completions"
    kind = "chat.completion.chunk" if chat else "text_completion"
    head = _head(request, model, kind)
    said = {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **said, "logprobs": None, "finish_reason": "stop"}
    yield _event({**head, "choices": [choice]})
    options = request.body.get("stream_options") or {}
    if options.get("include_usage"):
        yield _event({**head, "choices": [], "usage": _usage()})
    yield b"data: [DONE]\n\n"


def _head(request: Request, model: str, kind: str) -> dict[str, Any]:
    return {"id": request.id, "object": kind, "created": int(time.time()), "model": model}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _event(tree: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(tree)}\n\n".encode()
