"""What an answer to a chat says, whole or in one of its chunks: text, reasoning, calls, the end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_REASONING = ("reasoning", "reasoning_content")
"""VLLM's name for it, and what others and older versions have."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of a call of a tool."""

    number: int | None
    """Which call of the answer it belongs to; servers that send whole calls may leave it out."""
    id: str
    name: str
    arguments: str
    """JSON, or a piece of it."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What an answer has cost, in tokens."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """Of the prompt: those that were not computed anew."""
    reasoning: int = 0
    """Of the completion."""


@dataclass(frozen=True, slots=True)
class ChatPiece:
    """One chunk of the first choice, or all of it."""

    reasoning: str = ""
    text: str = ""
    calls: tuple[CallPiece, ...] = ()
    finish: str | None = None
    stop: str | None = None
    """The text that ended the answer, where the engine tells it."""
    counts: TokenCounts | None = None
    logprobs: tuple[Mapping[str, Any], ...] = field(default=())
    """Of the tokens of the text, in OpenAI's form."""


def read_piece(data: bytes) -> ChatPiece | None:
    """What a chunk or a whole answer says; None where it says nothing.

    It has been checked as far as `experts/upstream/` looks; other fields may hold anything, and
    what is not of the type that it should have is as good as absent.
    """
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return None
    choices = _list(tree.get("choices")) if isinstance(tree, dict) else []
    choice = next((one for one in choices if isinstance(one, dict) and not one.get("index")), {})
    counts = _counts(tree.get("usage")) if isinstance(tree, dict) else None
    said = choice.get("delta") or choice.get("message")
    said = said if isinstance(said, dict) else {}
    return ChatPiece(
        reasoning=next((text for name in _REASONING if (text := _text(said.get(name)))), ""),
        text=_content(said.get("content")) + _text(said.get("refusal")),
        calls=tuple(_call(one) for one in _list(said.get("tool_calls")) if isinstance(one, dict)),
        finish=_text(choice.get("finish_reason")) or None,
        stop=_text(choice.get("stop_reason")) or None,
        counts=counts,
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _call(tree: Mapping[str, Any]) -> CallPiece:
    number = tree.get("index")
    function = tree.get("function")
    told = function if isinstance(function, dict) else {}
    return CallPiece(
        number if isinstance(number, int) else None,
        _text(tree.get("id")),
        _text(told.get("name")),
        _text(told.get("arguments")),
    )


def _counts(tree: Any) -> TokenCounts | None:
    if not isinstance(tree, dict):
        return None
    prompt, completion = tree.get("prompt_tokens_details"), tree.get("completion_tokens_details")
    total = _count(tree.get("prompt_tokens"))
    return TokenCounts(
        total,
        _count(tree.get("completion_tokens")),
        min(total, _count(prompt.get("cached_tokens") if isinstance(prompt, dict) else None)),
        _count(completion.get("reasoning_tokens") if isinstance(completion, dict) else None),
    )


def _logprobs(tree: Any) -> tuple[Mapping[str, Any], ...]:
    found = _list(tree.get("content")) if isinstance(tree, dict) else []
    return tuple(one for one in found if isinstance(one, dict))


def _content(value: Any) -> str:
    """A text, which may come in parts."""
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        return "".join(map(_text, parts))
    return _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
