"""Asking many questions of an OpenAI-compatible endpoint, a bounded number at a time."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from evals.tasks.sample import Sample, Task, chat_body
from experts.errors import ExpertError
from experts.openai import milliseconds
from experts.sse import DONE, events
from experts.upstream.answers import parse_chunk

EXPERT_HEADER = "x-coterie-expert"
FALLBACK_HEADER = "x-coterie-fallback"
WAIT_HEADERS = ("x-coterie-queue-ms", "x-coterie-load-ms")
_EXTENSION = b'"coterie"'
# Longer than any load of an expert; a service that is silent for longer is stuck.
SILENCE_S = 300.0
FAILURES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One call: `model` may be an expert or a composition."""

    id: str
    model: str
    text: str
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    system: str | None = None
    stop: tuple[str, ...] = ()

    @classmethod
    def of(cls, task: Task, sample: Sample, model: str) -> "Question":
        """The call that puts a task's question to a model."""
        spec = task.spec
        return cls(
            sample.id,
            model,
            sample.question,
            spec.max_tokens,
            spec.temperature,
            system=spec.system,
            stop=spec.stop,
        )

    @property
    def body(self) -> dict[str, Any]:
        """The chat completion that is asked for."""
        said = (self.text, self.system, self.max_tokens, self.temperature, self.stop)
        body = {"model": self.model, **chat_body(*said)}
        return body if self.seed is None else {**body, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `error` is None unless the call failed, and then says why.

    `first_token_s` counts from the sending of the request, as `seconds` does.
    """

    question: Question
    text: str = ""
    expert: str = ""
    completion_tokens: int = 0
    seconds: float = 0.0
    first_token_s: float | None = None
    error: str | None = None
    waited_s: float = 0.0
    """In the pool's queue and for loads, as the response's headers tell."""
    fallback: str = ""
    """What was done after an alarm of the router's guard."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Read and written, by every expert that was asked for this answer."""
    calls: int = 1
    """How often experts were asked for it."""


class BadAnswer(Exception):
    """The endpoint answered, but not with what the protocol promises."""


def describe_failures(answers: Iterable[Answer]) -> list[str]:
    """A line for each failed call, and after the first few their number."""
    failed = [answer for answer in answers if answer.error is not None]
    lines = [
        f"FAILED: {answer.question.model}, {answer.question.id}: {answer.error}"
        for answer in failed[:FAILURES_SHOWN]
    ]
    if len(failed) > FAILURES_SHOWN:
        lines.append(f"... and {len(failed) - FAILURES_SHOWN} more failed.")
    return lines


async def ask_many(
    client: httpx.AsyncClient,
    base_url: str,
    questions: Sequence[Question],
    *,
    in_flight: int,
    stream: bool = True,
    on_answer: Callable[[Answer], None] = lambda answer: None,
) -> list[Answer]:
    """Ask every question at `base_url` (ends with /v1); returns the answers in their order.

    A failed call is an answer with an `error`: nothing is lost and nothing is asked twice.
    """
    places = asyncio.Semaphore(in_flight)

    async def one(question: Question) -> Answer:
        async with places:
            answer = await ask(client, base_url, question, stream=stream)
        on_answer(answer)
        return answer

    return list(await asyncio.gather(*(one(question) for question in questions)))


async def ask(
    client: httpx.AsyncClient, base_url: str, question: Question, *, stream: bool = True
) -> Answer:
    """Ask one question."""
    body = question.body
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    reading = _Reading(question.model)
    error = None
    try:
        await _read(client, f"{base_url}/chat/completions", body, reading)
    except (httpx.HTTPError, httpx.StreamError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    except (BadAnswer, ExpertError) as problem:
        error = str(problem)
    return Answer(
        question,
        "".join(reading.text),
        reading.expert,
        reading.completion_tokens,
        time.perf_counter() - reading.started,
        reading.first_token_s,
        error,
        reading.waited_s,
        reading.fallback,
        reading.tokens or {reading.expert: reading.own_tokens},
        reading.calls or 1,
    )


@dataclass(slots=True)
class _Reading:
    """What has arrived so far."""

    model: str
    started: float = field(default_factory=time.perf_counter)
    text: list[str] = field(default_factory=list)
    expert: str = ""
    completion_tokens: int = 0
    first_token_s: float | None = None
    waited_s: float = 0.0
    fallback: str = ""
    own_tokens: int = 0
    finished: bool = False
    tokens: dict[str, int] = field(default_factory=dict)
    calls: int = 0

    def take(self, data: bytes) -> None:
        """Add one event of a stream, or a whole answer. Raises ExpertError, BadAnswer."""
        chunk = parse_chunk(self.expert or self.model, data)
        self.finished = self.finished or chunk.finish_reason is not None
        if chunk.text:
            if self.first_token_s is None:
                self.first_token_s = time.perf_counter() - self.started
            self.text.append(chunk.text)
        if chunk.usage is not None:
            self.completion_tokens = chunk.usage.completion_tokens
            self.own_tokens = chunk.usage.prompt_tokens + chunk.usage.completion_tokens
        if _EXTENSION in data:
            told = _told_in(data)
            # The head of a panel's stream goes out before anybody has answered.
            self.expert = self.expert or told.expert or ""
            self.tokens |= {name: used.total for name, used in told.usage.items()}
            self.calls = max(self.calls, sum(told.calls.values()))


class _Counted(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class _Extension(BaseModel):
    expert: str | None = None
    usage: dict[str, _Counted] = {}
    calls: dict[str, int] = {}


class _Told(BaseModel):
    """Our own field of an event."""

    coterie: _Extension | None = None


def _told_in(data: bytes) -> _Extension:
    """Who answered, and the tokens of each expert, where the event tells. Raises BadAnswer."""
    try:
        return _Told.model_validate_json(data).coterie or _Extension()
    except ValidationError as error:
        raise BadAnswer(f"not what Coterie tells: {data[:200]!r}") from error


async def _read(
    client: httpx.AsyncClient, url: str, body: Mapping[str, Any], reading: _Reading
) -> None:
    timeout = httpx.Timeout(SILENCE_S, pool=None)
    async with client.stream("POST", url, json=body, timeout=timeout) as response:
        reading.expert = response.headers.get(EXPERT_HEADER, "")
        reading.fallback = response.headers.get(FALLBACK_HEADER, "")
        waits_ms = (response.headers.get(name) for name in WAIT_HEADERS)
        reading.waited_s = sum(map(milliseconds, waits_ms)) / 1000
        if response.status_code >= 400:
            refusal = (await response.aread()).decode(errors="replace")
            raise BadAnswer(f"HTTP {response.status_code}: {_refusal(refusal)}")
        if not body.get("stream"):
            reading.take(await response.aread())
            return
        async for data in events(reading.expert or reading.model, response.aiter_bytes()):
            if data == DONE:
                return
            reading.take(data)
    if not reading.finished:
        raise BadAnswer("the stream ended before the answer did")


def _refusal(text: str) -> str:
    """What a refusal says; a proxy's page rather than an API's error is its own message."""
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    error = tree.get("error") or tree if isinstance(tree, dict) else text
    said = error.get("message") or error if isinstance(error, dict) else error
    return " ".join(str(said).split())[:300]
