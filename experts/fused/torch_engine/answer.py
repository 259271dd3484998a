"""One answer of a torch engine in OpenAI's JSON, with the field values that vLLM would give."""

import asyncio
import json
import math
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from torch import Tensor

from experts.fused.composites.mixture_of_thoughts.listening import LOUDNESS
from experts.fused.composites.role_logprobs import QUIETEST
from experts.fused.torch_engine.engine import Running, Token, TorchEngine
from experts.fused.torch_engine.request_body import Body
from experts.fused.torch_engine.shapes import Shape

QUIET = -9999.0
"""Stands for minus infinity, which JSON cannot express."""


class Answer:
    """The answer to one request: whole, or as the events of a stream."""

    def __init__(
        self,
        engine: TorchEngine,
        body: Body,
        begun: list[Running],
        shape: Shape,
        model: str,
    ) -> None:
        self._engine = engine
        self._body = body
        self._begun = begun
        self._prompt_tokens = len(begun[0].session.prompt)
        self._shape = shape
        self._said = 0
        self._head = {
            "id": f"{shape.id_begins}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    async def whole(self) -> dict[str, Any]:
        """The JSON of an answer that does not stream. Raises ExpertLost."""
        found = await asyncio.gather(*(self._choice(n, one) for n, one in enumerate(self._begun)))
        return {
            **self._head,
            "object": self._shape.whole,
            "choices": found,
            "usage": self._usage(),
        }

    async def _choice(self, number: int, begun: Running) -> dict[str, Any]:
        steps = [step async for step in self._engine.answer(begun)]
        self._said += len(steps)
        return {
            "index": number,
            **self._shape.said("".join(step.text for step in steps)),
            "logprobs": self._logprobs(steps),
            "finish_reason": steps[-1].finish,
        }

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events, the last one `[DONE]`. Raises ExpertLost."""
        for number in range(len(self._begun)):
            if begin := self._shape.begin():
                yield self._event(number, begin, None, None)
        async for number, step in _together([self._engine.answer(one) for one in self._begun]):
            self._said += 1
            delta = self._shape.add(step.text)
            yield self._event(number, delta, self._logprobs([step]), step.finish)
        if (self._body.stream_options or {}).get("include_usage"):
            yield _data({**self._chunk(), "choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _event(
        self, number: int, delta: dict[str, Any], logprobs: Any, finish: str | None
    ) -> bytes:
        choice = {"index": number, **delta, "logprobs": logprobs, "finish_reason": finish}
        return _data({**self._chunk(), "choices": [choice]})

    def _chunk(self) -> dict[str, Any]:
        return {**self._head, "object": self._shape.chunk}

    def _usage(self) -> dict[str, int]:
        both = self._prompt_tokens + self._said
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._said,
            "total_tokens": both,
        }

    def _logprobs(self, steps: list[Token]) -> dict[str, Any] | None:
        if not self._body.logprobs:
            return None
        return {"content": [self._logprob(step) for step in steps]}

    def _logprob(self, step: Token) -> dict[str, Any]:
        told = self._told(step)
        best = step.log_probs.topk(self._body.top_logprobs).indices.tolist()
        others = dict.fromkeys([*best, *self._body.logprob_token_ids])
        return {
            **self._named(step.token, step.log_probs, told),
            "top_logprobs": [self._named(other, step.log_probs, told) for other in others],
        }

    def _named(self, token: int, log_probs: Tensor, told: Mapping[int, float]) -> dict[str, Any]:
        text = self._engine.model.tokenizers[0].convert_ids_to_tokens(token)
        value = told.get(token, float(log_probs[token]))
        shown = value if math.isfinite(value) else QUIET
        return {"token": text, "logprob": shown, "bytes": list(text.encode())}

    def _told(self, step: Token) -> dict[int, float]:
        """The attention, as `mixture_of_thoughts/listening.py` reads it from the role tokens."""
        shares = [share for layer in step.attention for share in layer]
        tokens = self._engine.model.composite.role_token_ids
        return {
            token: QUIETEST - LOUDNESS * share for token, share in zip(tokens, shares, strict=False)
        }


async def _together(answers: list[AsyncIterator[Token]]) -> AsyncIterator[tuple[int, Token]]:
    """Steps of several answers as they come; leaving it ends them all."""
    queue: asyncio.Queue[tuple[int, Token | Exception]] = asyncio.Queue()

    async def follow(number: int, answer: AsyncIterator[Token]) -> None:
        try:
            async for step in answer:
                queue.put_nowait((number, step))
        except Exception as error:
            queue.put_nowait((number, error))

    tasks = [asyncio.create_task(follow(n, answer)) for n, answer in enumerate(answers)]
    left = len(tasks)
    try:
        while left:
            number, step = await queue.get()
            if isinstance(step, Exception):
                raise step
            left -= step.finish is not None
            yield number, step
    finally:
        for task in tasks:
            task.cancel()


def _data(tree: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"
