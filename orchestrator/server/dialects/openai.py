"""OpenAI's chats, completions and embeddings: the bytes of the pipeline, untouched."""

import json
import time
from typing import Any

from experts.errors import CoterieError
from experts.types import encoded
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.presentation import Told
from orchestrator.server.bodies.answers import ErrorBody
from orchestrator.server.dialects.base import TellTold
from orchestrator.server.errors import body_of


class OpenAIDialect:
    """The `Dialect` in which nothing is translated."""

    def __init__(self, asked: RequestContext) -> None:
        self._asked = asked

    def whole(self, content: bytes, told: TellTold) -> bytes:
        return _with_extension(content, told())

    def opening(self, told: TellTold) -> bytes:
        """Where an explanation is asked for: a chunk without choices, which clients must skip."""
        if not self._asked.options.explain:
            return b""
        whole = self._asked.request.operation == "completions"
        chunk: dict[str, Any] = {
            "id": self._asked.id,
            "object": "text_completion" if whole else "chat.completion.chunk",
            "created": int(time.time()),
            "model": self._asked.model,
            "choices": [],
            "coterie": told(),
        }
        return f"data: {json.dumps(chunk)}\n\n".encode()

    def piece(self, piece: bytes) -> bytes:
        return piece

    def closing(self, told: TellTold) -> bytes:
        return b""

    def broken(self, error: CoterieError) -> bytes:
        """The SDKs raise on such an event."""
        return f"data: {json.dumps(body_of(error))}\n\ndata: [DONE]\n\n".encode()

    def refusal(self, error: CoterieError) -> ErrorBody:
        return body_of(error)


def _with_extension(body: bytes, told: Told) -> bytes:
    """Add our field to a JSON object without parsing it."""
    head = body.rstrip().removesuffix(b"}")
    field = b'"coterie":' + encoded(told) + b"}"
    if head.rstrip() == b"{":
        return head + field
    return head + b"," + field
