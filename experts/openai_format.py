"""OpenAI's JSON for answers that no single model generates: of panels, recordings, the gateway."""

import json
import time
from collections.abc import Mapping
from typing import Any

from experts.types import Request, Usage

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
NO_USAGE = Usage()


class OpenAIFormat:
    """Formats one answer to a request: whole, or as the server-sent events of a stream."""

    def __init__(self, request: Request, model: str) -> None:
        """`model` is the name that the client used."""
        self._chat = request.operation == "chat/completions"
        self._stream = request.stream
        self._counts = bool((request.body.get("stream_options") or {}).get("include_usage"))
        self._begun = False
        self._head = {"id": request.id, "created": int(time.time()), "model": model}

    @property
    def content_type(self) -> str:
        """The Content-Type of the response."""
        return EVENT_STREAM if self._stream else JSON

    def whole_answer(self, text: str, finish: str = "stop", usage: Usage = NO_USAGE) -> bytes:
        """The body of an answer that is not streamed."""
        said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        kind = "chat.completion" if self._chat else "text_completion"
        tree = {**self._head, "object": kind, "choices": [choice], "usage": counted(usage)}
        return json.dumps(tree).encode()

    def chunk(
        self, text: str, finish: str | None = None, told: Mapping[str, Any] | None = None
    ) -> bytes:
        """The event with a piece of text; `told` becomes our own field `coterie` beside it."""
        role = {} if self._begun else {"role": "assistant"}
        self._begun = True
        said = {"delta": {**role, "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        return self._event([choice], **({"coterie": told} if told else {}))

    def reasoning_chunk(self, text: str) -> bytes:
        """The event with a piece of reasoning; empty for completions, which have no such field."""
        if not self._chat:
            return b""
        choice = {"index": 0, "delta": {"reasoning": text}, "logprobs": None, "finish_reason": None}
        return self._event([choice])

    def end_of_stream(self, usage: Usage = NO_USAGE) -> bytes:
        """The last events of a stream: the usage, where the client asked for it, and `[DONE]`."""
        told = self._event([], usage=counted(usage)) if self._counts else b""
        return told + b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        tree = {**self._head, "object": kind, "choices": choices, **more}
        return b"data: " + json.dumps(tree).encode() + b"\n\n"


def format_answer(request: Request, model: str, text: str, usage: Usage = NO_USAGE) -> bytes:
    """A text that is known in full: as the whole answer, or as all events of its stream."""
    formatted = OpenAIFormat(request, model)
    if not request.stream:
        return formatted.whole_answer(text, usage=usage)
    return formatted.chunk(text, "stop") + formatted.end_of_stream(usage)


def counted(usage: Usage) -> dict[str, int]:
    """The usage as it stands in an answer."""
    both = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": both,
    }
