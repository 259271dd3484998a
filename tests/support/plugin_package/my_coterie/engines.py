"""An engine that greets, in the bytes of OpenAI's protocol."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from experts.engine import Answer
from experts.types import Request


class Greeter:
    """Says the same to everybody."""

    class Config(BaseModel):
        """The keys of the engine."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        greeting: str = Field(min_length=1, description="What it says.")
        token: str = Field("", description="A secret, for the sake of messages.")
        notes: Path | None = Field(None, description="A file, for the sake of its path.")

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self.config = config

    async def open(self, request: Request, asked_model: str) -> Answer:
        """The answer that has begun: its content type and its bytes."""
        body = self._body(asked_model)
        if not request.body.get("stream"):
            return Answer("application/json", _pieces(json.dumps(body).encode()))
        event = b"data: " + json.dumps(body).encode() + b"\n\ndata: [DONE]\n\n"
        return Answer("text/event-stream", _pieces(event))

    def _body(self, model: str) -> dict[str, Any]:
        said = {"role": "assistant", "content": self.config.greeting}
        choice = {"index": 0, "message": said, "delta": said, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {"id": "greeting", "model": model, "choices": [choice], "usage": usage}


async def _pieces(whole: bytes) -> AsyncGenerator[bytes, None]:
    yield whole


class WithoutConfig:
    """No engine: it does not say which keys it has."""

    async def open(self, request: Request, asked_model: str) -> Any:
        """Never called."""


class Lenient(WithoutConfig):
    """No engine: it would let a slip of the pen pass."""

    class Config(BaseModel):
        """Accepts whatever comes."""
