"""Answers to single prompts, put together as the answer to all of them. Pure."""

import json
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from experts.errors import BadOutput
from experts.openai_format import counted
from experts.types import Usage
from orchestrator.request.context import RequestContext


class Merging:
    """Numbers the choices of all prompts through, as vLLM does, and sums up their usage."""

    def __init__(self, context: RequestContext, count: int) -> None:
        """`context` is of the request as it came, with `count` prompts."""
        body = context.request.body
        self._choices = body.get("n") or 1
        self._tells_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._usage = [Usage()] * count
        self._head = {
            "id": context.id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": context.model,
        }

    def whole(self, answers: Sequence[bytes], experts: Sequence[str]) -> bytes:
        """One body of those of all prompts; each choice says whose it is. Raises BadOutput."""
        choices = []
        for number, (raw, expert) in enumerate(zip(answers, experts, strict=True)):
            answer = _parsed(expert, raw)
            self._count(number, answer)
            for choice in self._numbered(number, answer):
                told = {**(choice.get("coterie") or {}), "expert": expert}
                choices.append({**choice, "coterie": told})
        tree = {**self._head, "choices": choices, "usage": self._total()}
        return json.dumps(tree).encode()

    def event(self, number: int, expert: str, data: bytes) -> bytes:
        """The event for a piece of an expert's answer to a prompt; empty for what has no choice.

        Raises BadOutput.
        """
        piece = _parsed(expert, data)
        counted_now = self._count(number, piece)
        choices = self._numbered(number, piece)
        if not choices:
            return b""
        tree = {**piece, **self._head, "choices": choices}
        if counted_now:
            tree["usage"] = self._total()
        return _event(tree)

    def end(self) -> bytes:
        """The last events of a stream."""
        if not self._tells_usage:
            return b"data: [DONE]\n\n"
        return _event({**self._head, "choices": [], "usage": self._total()}) + b"data: [DONE]\n\n"

    def _numbered(self, number: int, piece: dict[str, Any]) -> list[dict[str, Any]]:
        first = number * self._choices
        return [{**one, "index": first + one.get("index", 0)} for one in piece["choices"]]

    def _count(self, number: int, piece: dict[str, Any]) -> bool:
        told = piece.get("usage")
        if told is not None:
            prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
            self._usage[number] = Usage(prompt or 0, completion or 0)
        return told is not None

    def _total(self) -> dict[str, int]:
        return counted(sum(self._usage, Usage()))


class _Choice(BaseModel):
    index: int = 0


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Piece(BaseModel):
    """What is read of an answer, or of a piece of one."""

    choices: list[_Choice]
    usage: _Usage | None = None


def _parsed(expert: str, raw: bytes) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = json.loads(raw)
        _Piece.model_validate(tree, strict=True)
    except (ValueError, RecursionError) as error:
        raise BadOutput(
            f"Expert {expert} sent what is not OpenAI's format.", expert=expert
        ) from error
    return tree


def _event(tree: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"
