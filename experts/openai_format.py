"""OpenAI's shapes for answers that no single model generates: composed, recorded, the gateway's."""

import json
import time
from collections.abc import Mapping
from typing import Any

from experts.types import Request, Usage

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
NO_USAGE = Usage()


class OpenAIFormat:
    """Words one answer to a request: whole, or as the events of a stream."""

    def __init__(self, request: Request, model: str) -> None:
        """`model` is the name that the client used."""
        self._chat = request.operation == "chat/completions"
        self._stream = request.stream
        self._counts = bool((request.body.get("stream_options") or {}).get("include_usage"))
        self._begun = False
        self._head = {"id": request.id, "created": int(time.time()), "model": model}

    @property
    def content_type(self) -> str:
        """Of the response."""
        return EVENT_STREAM if self._stream else JSON

    def whole(self, text: str, finish: str = "stop", usage: Usage = NO_USAGE) -> bytes:
        """The body of an answer that does not stream."""
        said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        kind = "chat.completion" if self._chat else "text_completion"
        tree = {**self._head, "object": kind, "choices": [choice], "usage": _counted(usage)}
        return json.dumps(tree).encode()

    def piece(
        self, text: str, finish: str | None = None, told: Mapping[str, Any] | None = None
    ) -> bytes:
        """The event of a piece of text; `told` is our own field beside it."""
        role = {} if self._begun else {"role": "assistant"}
        self._begun = True
        said = {"delta": {**role, "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        return self._event([choice], **({"coterie": told} if told else {}))

    def reasoning(self, text: str) -> bytes:
        """The event of a piece of reasoning; completions know none."""
        if not self._chat:
            return b""
        choice = {"index": 0, "delta": {"reasoning": text}, "logprobs": None, "finish_reason": None}
        return self._event([choice])

    def end(self, usage: Usage = NO_USAGE) -> bytes:
        """The last events of a stream."""
        counted = self._event([], usage=_counted(usage)) if self._counts else b""
        return counted + b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        tree = {**self._head, "object": kind, "choices": choices, **more}
        return b"data: " + json.dumps(tree).encode() + b"\n\n"


def spoken(request: Request, model: str, text: str, usage: Usage = NO_USAGE) -> bytes:
    """A text that is known at once as the whole answer, or all events of its stream."""
    wording = OpenAIFormat(request, model)
    if not request.stream:
        return wording.whole(text, usage=usage)
    return wording.piece(text, "stop") + wording.end(usage)


def _counted(usage: Usage) -> dict[str, int]:
    both = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": both,
    }
