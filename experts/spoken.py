"""Answers that no model generates, in OpenAI's shapes: recorded ones, and the gateway's own."""

import json
import time
from collections.abc import Iterator
from typing import Any

from experts.types import Request, Usage

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
NO_USAGE = Usage()


def content_type(request: Request) -> str:
    """Of the answer to a request."""
    return EVENT_STREAM if request.stream else JSON


def spoken(request: Request, model: str, text: str, usage: Usage = NO_USAGE) -> bytes:
    """The whole answer, or all events of its stream."""
    if not request.stream:
        return json.dumps(_whole(request, model, text, usage)).encode()
    return b"".join(_events(request, model, text, usage))


def _whole(request: Request, model: str, text: str, usage: Usage) -> dict[str, Any]:
    chat = request.operation == "chat/completions"
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **said, "logprobs": None, "finish_reason": "stop"}
    kind = "chat.completion" if chat else "text_completion"
    return {**_head(request, model, kind), "choices": [choice], "usage": _counted(usage)}


def _events(request: Request, model: str, text: str, usage: Usage) -> Iterator[bytes]:
    chat = request.operation == "chat/completions"
    head = _head(request, model, "chat.completion.chunk" if chat else "text_completion")
    said = {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **said, "logprobs": None, "finish_reason": "stop"}
    yield _event({**head, "choices": [choice]})
    if (request.body.get("stream_options") or {}).get("include_usage"):
        yield _event({**head, "choices": [], "usage": _counted(usage)})
    yield b"data: [DONE]\n\n"


def _head(request: Request, model: str, kind: str) -> dict[str, Any]:
    return {"id": request.id, "object": kind, "created": int(time.time()), "model": model}


def _counted(usage: Usage) -> dict[str, int]:
    both = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": both,
    }


def _event(tree: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(tree)}\n\n".encode()
