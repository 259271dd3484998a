"""OpenAI's chat completions over a torch engine, worded as vLLM words them."""

import asyncio
import json
import math
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from torch import Tensor

from experts.errors import CoterieError, ExpertLost, RequestError
from experts.fused.composites.fusion_route.speaker import QUIETEST
from experts.fused.composites.mixture_of_thoughts.listening import LOUDNESS
from experts.fused.torch_engine.engine import Ask, Running, Token, TorchEngine
from experts.fused.torch_engine.mixture_of_thoughts import Prompt
from experts.fused.torch_engine.sampling import Sampling
from experts.fused.torch_engine.shapes import ChatShape, Shape, TextShape
from experts.openai import ASKED_MODEL_HEADER

MOST_ALTERNATIVES = 20
MOST_CHOICES = 16
QUIET = -9999.0
"""What the wire has in the place of minus infinity."""
REFUSED = ("tools", "response_format", "logit_bias", "structured_outputs", "prompt_logprobs")


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: str
    content: str


class _Body(BaseModel, ABC):
    """What both operations may ask."""

    model_config = ConfigDict(extra="ignore")
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    min_p: float = Field(0.0, ge=0, le=1)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, gt=0)
    min_tokens: int = Field(0, ge=0)
    seed: int | None = None
    n: int = Field(1, ge=1, le=MOST_CHOICES)
    stop: str | list[str] | None = None
    ignore_eos: bool = False
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=MOST_ALTERNATIVES)
    logprob_token_ids: list[int] = Field(default=[], max_length=128)
    chat_template_kwargs: dict[str, Any] = {}

    @abstractmethod
    def prompt(self) -> Prompt:
        """What is to be answered, or continued."""

    def asks(self) -> list[Ask]:
        """One for each choice; with a seed, each has its own."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        role = self.chat_template_kwargs.get("role")
        names = Sampling.__dataclass_fields__
        return [
            Ask(
                prompt=self.prompt(),
                role=None if role is None else str(role),
                max_tokens=self.max_completion_tokens or self.max_tokens,
                stop=stop,
                ignore_eos=self.ignore_eos,
                sampling=Sampling(
                    **{
                        **{name: getattr(self, name) for name in names},
                        "top_k": max(self.top_k, 0),
                        "seed": None if self.seed is None else self.seed + number,
                    }
                ),
            )
            for number in range(self.n)
        ]


class _Chat(_Body):
    messages: list[_Message] = Field(min_length=1)

    def prompt(self) -> Prompt:
        return [turn.model_dump() for turn in self.messages]


class _Completion(_Body):
    text: str = Field(alias="prompt")
    max_tokens: int | None = Field(16, ge=1)
    logprobs: Literal[False, None] = None  # type: ignore[assignment]

    def prompt(self) -> Prompt:
        return self.text


def application(name: str, engine: TorchEngine) -> Starlette:
    """The routes of one expert; `name` is its own, answers carry the one that was asked for."""
    operations = _Operations(name, engine)

    async def models(_: Request) -> Response:
        one = {"id": name, "object": "model", "max_model_len": engine.model.context}
        return JSONResponse({"object": "list", "data": [one]})

    async def health(_: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", operations.chat, methods=["POST"]),
            Route("/v1/completions", operations.complete, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
        ]
    )


class _Operations:
    def __init__(self, name: str, engine: TorchEngine) -> None:
        self._name = name
        self._engine = engine

    async def chat(self, request: Request) -> Response:
        return await self._post(request, _Chat, ChatShape())

    async def complete(self, request: Request) -> Response:
        return await self._post(request, _Completion, TextShape())

    async def _post(self, request: Request, kind: type[_Body], shape: Shape) -> Response:
        asked = request.headers.get(ASKED_MODEL_HEADER, self._name)
        try:
            body = _read(await request.body(), kind)
            begun = [self._engine.begin(ask) for ask in body.asks()]
        except RequestError as error:
            return _refusal(error)
        answer = _Answer(self._engine, body, begun, shape, asked)
        if body.stream:
            return StreamingResponse(answer.events(), media_type="text/event-stream")
        try:
            return JSONResponse(await _unless_gone(request, answer.whole()))
        except ExpertLost as error:
            return _refusal(error, 503)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Any]) -> Any:
    """The result, unless the client leaves: nobody shall work for it then."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


def _read(raw: bytes, kind: type[_Body]) -> _Body:
    try:
        tree = json.loads(raw)
        refused = [field for field in REFUSED if isinstance(tree, dict) and tree.get(field)]
        if refused:
            raise RequestError(
                f"An expert of type torch does not know {', '.join(refused)}.", param=refused[0]
            )
        return kind.model_validate(tree)
    except ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(map(str, first["loc"]))
        raise RequestError(f"{place}: {first['msg']}", param=place) from None
    except ValueError as error:
        raise RequestError(f"The body is not JSON: {error}.") from None


def _refusal(error: CoterieError, status: int = 400) -> Response:
    kind = "BadRequestError" if status == 400 else "ServiceUnavailableError"
    body = {"message": str(error), "type": kind, "param": getattr(error, "param", None)}
    return JSONResponse({"error": {**body, "code": status}}, status_code=status)


class _Answer:
    def __init__(
        self,
        engine: TorchEngine,
        body: _Body,
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
        """The attention, as `composite/listening.py` reads it out of the role tokens."""
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
