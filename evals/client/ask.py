"""Asking many questions of an OpenAI-compatible endpoint, a bounded number at a time."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from evals.tasks.sample import Sample, Task, chat_body

EXPERT_HEADER = "x-coterie-expert"
FALLBACK_HEADER = "x-coterie-fallback"
WAIT_HEADERS = ("x-coterie-queue-ms", "x-coterie-load-ms")
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
    reading = _Reading()
    error = None
    try:
        await _read(client, f"{base_url}/chat/completions", body, reading)
    except (httpx.HTTPError, httpx.StreamError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    except BadAnswer as problem:
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
    )


@dataclass(slots=True)
class _Reading:
    """What has arrived so far."""

    started: float = field(default_factory=time.perf_counter)
    text: list[str] = field(default_factory=list)
    expert: str = ""
    completion_tokens: int = 0
    first_token_s: float | None = None
    waited_s: float = 0.0
    fallback: str = ""
    own_tokens: int = 0
    tokens: dict[str, int] = field(default_factory=dict)

    def take(self, event: Mapping[str, Any]) -> None:
        """Add one event of a stream, or a whole answer."""
        if "error" in event:
            raise BadAnswer(_message(event))
        usage = event.get("usage") or {}
        self.completion_tokens = usage.get("completion_tokens", self.completion_tokens)
        self.own_tokens = usage.get("total_tokens", self.own_tokens)
        by_expert = (event.get("coterie") or {}).get("usage") or {}
        self.tokens |= {expert: sum(counted.values()) for expert, counted in by_expert.items()}
        for choice in event.get("choices") or ():
            part = choice.get("delta") or choice.get("message") or {}
            if part.get("content"):
                if self.first_token_s is None:
                    self.first_token_s = time.perf_counter() - self.started
                self.text.append(part["content"])


async def _read(
    client: httpx.AsyncClient, url: str, body: Mapping[str, Any], reading: _Reading
) -> None:
    timeout = httpx.Timeout(SILENCE_S, pool=None)
    async with client.stream("POST", url, json=body, timeout=timeout) as response:
        reading.expert = response.headers.get(EXPERT_HEADER, "")
        reading.fallback = response.headers.get(FALLBACK_HEADER, "")
        waits_ms = (response.headers.get(name, 0) for name in WAIT_HEADERS)
        reading.waited_s = sum(map(float, waits_ms)) / 1000
        if response.status_code >= 400:
            refusal = (await response.aread()).decode(errors="replace")
            raise BadAnswer(f"HTTP {response.status_code}: {_refusal(refusal)}")
        if not body.get("stream"):
            reading.take(_parse((await response.aread()).decode()))
            return
        async for line in response.aiter_lines():
            if line == "data: [DONE]":
                return
            if line.startswith("data: "):
                reading.take(_parse(line[6:]))
    raise BadAnswer("the stream ended without [DONE]")


def _parse(text: str) -> Mapping[str, Any]:
    try:
        event = json.loads(text)
    except ValueError as error:
        raise BadAnswer(f"not JSON: {text[:200]}") from error
    if not isinstance(event, dict):
        raise BadAnswer(f"not a JSON object: {text[:200]}")
    return event


def _refusal(text: str) -> str:
    try:
        return _message(_parse(text))
    except BadAnswer:  # A proxy's page rather than an API's error: it is its own message.
        return " ".join(text.split())[:300]


def _message(event: Mapping[str, Any]) -> str:
    error = event.get("error")
    return str(error.get("message") if isinstance(error, dict) else error or event)[:300]
