"""An `Ask` over scripted experts, which remembers what they were asked."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregators.base import Aggregator, Panel
from aggregators.registry import make
from experts.errors import ExpertError
from experts.types import Chunk, Request, Usage

Reply = str | Chunk | ExpertError | Sequence["str | Chunk | ExpertError"]
Script = Reply | Callable[[Request], "Reply"] | None
QUESTION = "What is the capital of Peru?"


class ScriptedAsk:
    """Experts that say what they were told to.

    A script is an answer, an error to raise, a list of them for one call after the other (the last
    one again and again), or a function of the request. None never answers: it waits until it is
    aborted, and `aborted` counts that. A `Chunk` is yielded as it is; a text word by word, and with
    the probability `sure[expert]` for each of its words where log-probabilities are asked for.
    `vectors` are what an encoder makes of texts.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script],
        *,
        sure: Mapping[str, float] | None = None,
        quorum: int = 1,
        deadline_s: float = math.inf,
        vectors: Mapping[str, Any] | None = None,
    ) -> None:
        self.quorum = quorum
        self.deadline = asyncio.get_running_loop().time() + deadline_s
        self._scripts = scripts
        self._sure = sure or {}
        self._vectors = vectors
        self.asked: list[tuple[str, Request]] = []
        self.aborted: Counter[str] = Counter()
        self.words: list[str] = []
        self.facts: dict[str, Any] = {}

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        number = sum(name == expert for name, _ in self.asked)
        self.asked.append((expert, request))
        script = self._scripts[expert]
        if script is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.aborted[expert] += 1
        reply = script(request) if callable(script) else script
        if isinstance(reply, list):
            reply = reply[min(number, len(reply) - 1)]
        if isinstance(reply, ExpertError):
            raise reply
        if isinstance(reply, Chunk):
            yield reply
            return
        assert isinstance(reply, str)
        words = reply.split(" ")
        told: tuple[float, ...] = ()
        if "logprobs" in request.body and expert in self._sure:
            told = (math.log(self._sure[expert]),)
        for place, word in enumerate(words):
            yield Chunk(word if place == len(words) - 1 else f"{word} ", logprobs=told)
        yield Chunk("", "stop", Usage(5, len(words)))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """The vectors that were given; None where none were."""
        if self._vectors is None:
            return None
        return np.array([self._vectors[text] for text in texts], dtype=np.float32)

    def tell(self, words: str, **facts: Any) -> None:
        """Keeps everything."""
        self.words.append(words)
        for name, value in facts.items():
            known = self.facts.get(name)
            self.facts[name] = known + value if isinstance(known, list) else value

    @property
    def experts(self) -> list[str]:
        """Who was asked, in order."""
        return [expert for expert, _ in self.asked]

    @property
    def questions(self) -> list[str]:
        """What was asked, in order."""
        return [request.query for _, request in self.asked]


def chat(question: str = QUESTION, **body: Any) -> Request:
    """A chat request with a system message and a conversation before the question."""
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": question},
    ]
    return Request("r1", "chat/completions", {"messages": messages, **body})


async def said(
    aggregator: Aggregator | Mapping[str, Any],
    panel: Panel,
    ask: ScriptedAsk,
    request: Request | None = None,
) -> str:
    """The whole answer of an aggregator, or of the one that these keys describe."""
    made = make(aggregator) if isinstance(aggregator, Mapping) else aggregator
    chunks = [chunk async for chunk in made.aggregate(request or chat(), panel, ask)]
    assert chunks[-1].finish_reason is not None
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])
    return "".join(chunk.text for chunk in chunks)
