"""The types that every package shares: requests, chunks, completions, usage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import to_json

IMAGE_PARTS = ("image", "input_image")
"""How the types of content parts begin that are images."""

Operation = Literal["chat/completions", "completions", "embeddings"]
EMBEDDINGS: Operation = "embeddings"
"""The operation that generates nothing."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that one call cost, as the engine counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `body` is the OpenAI body as parsed from JSON, less the fields that are ours.

    `keywords` name the skills that the question asks for, where an expert was asked to tell.
    `source` is the text that quotes are checked against, and `tests` are statements of Python that
    hold for right code, where the client sent any. `trace_headers` tell a server, where it wants
    that, which trace the call belongs to.
    """

    id: str
    operation: Operation
    body: Mapping[str, Any]
    keywords: tuple[str, ...] = ()
    source: str = ""
    tests: tuple[str, ...] = ()
    trace_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def stream(self) -> bool:
        """Whether the caller wants server-sent events."""
        return bool(self.body.get("stream"))

    @property
    def query(self) -> str:
        """The text a router looks at: the last user message, or the (first) prompt."""
        if self.operation == "chat/completions":
            return _last_user_text(self.body.get("messages") or [])
        prompt = self.body.get("prompt", "")
        if isinstance(prompt, list):
            prompt = prompt[0] if prompt else ""
        return prompt if isinstance(prompt, str) else ""

    @property
    def has_images(self) -> bool:
        """Whether a message of the conversation holds an image."""
        contents = [message.get("content") for message in self.body.get("messages") or ()]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        return any(str(part.get("type", "")).startswith(IMAGE_PARTS) for part in parts)


def _last_user_text(messages: list[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content") or ""
        if isinstance(content, str):
            return content
        return "\n".join(part["text"] for part in content if part.get("type") == "text")
    return ""


def encoded(tree: Mapping[str, Any]) -> bytes:
    """A body as JSON in UTF-8."""
    try:
        return to_json(tree)  # A third of the time that `json` takes, or less.
    except ValueError:
        return json.dumps(tree).encode()  # Half of a surrogate pair, which it can escape.


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer; the last one of a stream carries the finish reason and the usage.

    `logprobs` are the natural logarithms of its tokens' probabilities, where they were asked for.
    """

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer of one expert."""

    expert: str
    text: str
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    logprobs: tuple[float, ...] = ()
    """Of all its tokens, where they were asked for."""
