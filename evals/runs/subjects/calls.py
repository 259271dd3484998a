"""What one answer is made with: its calls, their cost, and the texts seen on the way."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.runs.asking.asker import Asker, tokens_of
from evals.runs.asking.keys import is_drawn
from evals.runs.asking.wire import Reply
from evals.runs.record import Tokens
from experts.errors import CoterieError, ExpertError
from experts.fused.roles import Fused, without_role_tokens
from experts.types import Chunk, Request
from experts.upstream.answers import parse_chunk
from orchestrator.config.budget import BudgetConfig
from orchestrator.request.budget import Ledger
from routers.base import Encoder

SETTLE_STEPS = 8
"""Rounds of the event loop in which an aggregator hears of one answer before the next one comes."""


class Said(NamedTuple):
    """What an expert said."""

    expert: str
    request: Request
    text: str


@dataclass(slots=True)
class Spent:
    """What an answer has cost, calls to a tagger included."""

    calls: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, Tokens] = field(default_factory=dict)
    seconds: float = 0.0
    """The longest chain of calls that waited for each other."""

    def add(self, expert: str, tokens: Tokens, ends: float) -> None:
        """Count a call that ended so many seconds after the first one began."""
        self.calls[expert] += 1
        before = self.tokens.get(expert, Tokens())
        self.tokens[expert] = Tokens(
            prompt=before.prompt + tokens.prompt,
            completion=before.completion + tokens.completion,
        )
        self.seconds = max(self.seconds, ends)


class RowCalls:
    """The `Ask` of one row: through the cache, within the composition's budget of calls and tokens.

    Answers are handed on in the order in which they were asked for, whenever they come, so that an
    aggregator that stops early stops at the same answer in every run. Calls that it did not wait
    for do not count. There is no deadline: the time on a busy machine says nothing of the pool.
    """

    deadline = float("inf")
    # More answers than any panel gives: nobody is left out for being slow.
    quorum = 1 << 30

    def __init__(
        self,
        asker: Asker,
        fused: Mapping[str, Fused],
        encoder: Callable[[], Encoder] | None = None,
        budget: BudgetConfig | None = None,
    ) -> None:
        self._asker = asker
        self._fused = fused
        self._encoder = encoder
        self._ledger = Ledger(budget or BudgetConfig(), 0.0)
        self._repeats: Counter[bytes] = Counter()
        self._latest: asyncio.Future[None] | None = None
        self.spent = Spent()
        self.said: list[Said] = []
        self.facts: dict[str, Any] = {}

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """One expert's whole answer, in one piece. Raises ExpertError."""
        if (model := self._fused.get(expert)) is not None:
            request = without_role_tokens(request, model)
        chunk = await self.once(expert, self._ledger.call(expert, request))
        self._ledger.arrived(expert, chunk)
        self._ledger.counted(1, chunk.usage.completion_tokens if chunk.usage else 0)
        yield chunk

    async def once(self, expert: str, request: Request) -> Chunk:
        """One expert's whole answer, whatever the budget says. Raises ExpertError."""
        begins = self.spent.seconds
        before, own = self._latest, asyncio.get_running_loop().create_future()
        self._latest = own
        try:
            reply = await self._in_turn(expert, request, before)
        finally:
            own.set_result(None)
        self.spent.add(expert, tokens_of(reply.response), begins + reply.seconds)
        chunk = read(expert, reply.response)
        self.said.append(Said(expert, request, chunk.text))
        return chunk

    async def _in_turn(
        self, expert: str, request: Request, before: "asyncio.Future[None] | None"
    ) -> Reply:
        """The reply, or its error, once every earlier call is through."""
        failure: ExpertError | None = None
        try:
            reply = await self._asker.ask(expert, request, self._repeat(expert, request))
        except ExpertError as error:
            failure = error
        if before is not None:
            await asyncio.wait([before])
        # An answer of the cache, too, comes after all calls that are made beside it have begun.
        for _ in range(SETTLE_STEPS):
            await asyncio.sleep(0)
        if failure is not None:
            raise failure
        return reply

    def _repeat(self, expert: str, request: Request) -> int:
        if not is_drawn(request):
            return 0
        key = self._asker.key(expert, request)
        self._repeats[key] += 1
        return self._repeats[key] - 1

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors of the texts, computed in a thread; None where there is no encoder."""
        if (encoder := self._encoder) is None:
            return None
        return await asyncio.to_thread(lambda: encoder().encode(list(texts)))

    def tell(self, words: str, **facts: Any) -> None:
        """Keep the facts: lists grow, the rest is replaced."""
        for name, value in facts.items():
            known = self.facts.get(name)
            self.facts[name] = known + value if isinstance(known, list) else value


def read(expert: str, response: Mapping[str, Any]) -> Chunk:
    """A whole response as one chunk. Raises ExpertError for what is not OpenAI's format."""
    choices = [
        {**choice, "delta": choice.get("message")} if isinstance(choice, dict) else choice
        for choice in response.get("choices") or ()
    ]
    chunk = parse_chunk(expert, json.dumps({**response, "choices": choices}).encode())
    return Chunk(chunk.text, chunk.finish_reason or "stop", chunk.usage, chunk.logprobs)


def why(error: CoterieError) -> str:
    """An error as a row tells it, without line ends."""
    return " ".join(f"{error.code}: {error}".split())
