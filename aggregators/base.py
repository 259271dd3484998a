"""The protocol of an aggregator: it asks experts, and turns what they say into one answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from experts.errors import ExpertError
from experts.types import Chunk, Completion, Request, Usage


class Ask(Protocol):
    """Asks one expert, through the pool; closing the iterator aborts the generation.

    Raises ExpertError. Every call counts in the request's usage.
    """

    def __call__(self, expert: str, request: Request) -> AsyncIterator[Chunk]: ...


@dataclass(frozen=True, slots=True)
class Panel:
    """Who answers together."""

    experts: tuple[str, ...]
    """Best first; one may come more than once."""
    lead: str | None = None
    """Who decides, or puts the answers together; None: the aggregator knows."""


class Aggregator(Protocol):
    """Knows nothing of engines: whom it asks is given, and how.

    `aggregate` yields the answer's text as it becomes known; the last chunk has a finish reason.
    Raises ExpertError where nobody answers.
    """

    def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]: ...


class AggregatorConfig(BaseModel):
    """The keys under `aggregators.NAME`; each `Config` adds its own and a literal `type`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Mistakes that only show beside the pool's expert names, as `key: what is wrong`."""
        return ()


async def whole(expert: str, request: Request, ask: Ask) -> Completion:
    """One expert's complete answer."""
    text: list[str] = []
    finish, usage = None, Usage()
    async for chunk in ask(expert, request):
        text.append(chunk.text)
        finish = chunk.finish_reason or finish
        usage = chunk.usage or usage
    return Completion(expert, "".join(text), finish, usage)


async def candidates(experts: Sequence[str], request: Request, ask: Ask) -> list[Completion]:
    """The answers of those who gave one, in order, all asked at once.

    Raises the first ExpertError where nobody did, and whatever else went wrong.
    """
    found = await asyncio.gather(
        *(whole(expert, request, ask) for expert in experts), return_exceptions=True
    )
    failed = [one for one in found if isinstance(one, BaseException)]
    for error in failed:
        if not isinstance(error, ExpertError):
            raise error
    if len(failed) == len(found):
        raise failed[0]
    return [one for one in found if isinstance(one, Completion)]


def same(first: str, second: str) -> bool:
    """Whether two answers say the same, spaces, case and a last full stop aside."""
    return _normal(first) == _normal(second)


def asking(request: Request, text: str) -> Request:
    """The request with another question: the last user message, or the prompt, is replaced."""
    body: dict[str, Any] = dict(request.body)
    if request.operation == "completions":
        body["prompt"] = text
        return replace(request, body=body)
    messages = [dict(message) for message in body.get("messages") or []]
    for message in reversed(messages):
        if message.get("role") == "user":
            message["content"] = text
            break
    else:
        messages.append({"role": "user", "content": text})
    body["messages"] = messages
    return replace(request, body=body)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")
