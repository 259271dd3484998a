"""Experts with a system prompt and sampling of their own: two roles of one model need one load.

What an expert is configured to say first comes before the client's own system message; a value of
its sampling counts where the client sends none.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from experts.engine import Answer, Engine, HasEndpoints, Reply
from experts.keys import Keys
from experts.prompts import with_system
from experts.types import Request

_BOUNDS = ("max_tokens", "max_completion_tokens")


class Sampling(Keys):
    """How an expert samples where the client does not say; keys that are left out stay as is."""

    temperature: float | None = Field(
        None, ge=0, le=2, description="Randomness of the tokens; 0 takes the likeliest."
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="Share of probability that the sampled tokens come from."
    )
    top_k: int | None = Field(
        None, ge=-1, description="Number of tokens that are sampled from (vLLM)."
    )
    min_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least probability of a token, as a share of the likeliest one's (vLLM).",
    )
    presence_penalty: float | None = Field(
        None, ge=-2, le=2, description="Penalty of tokens that have occurred."
    )
    frequency_penalty: float | None = Field(
        None, ge=-2, le=2, description="Penalty of tokens, for every time that they have occurred."
    )
    repetition_penalty: float | None = Field(
        None, gt=0, description="Factor against tokens that have occurred (vLLM)."
    )
    max_tokens: int | None = Field(None, ge=1, description="Most tokens of an answer.")
    stop: str | tuple[str, ...] | None = Field(None, description="Texts that end an answer.")
    seed: int | None = Field(None, description="Seed of the sampling.")

    @property
    def given(self) -> dict[str, Any]:
        """The keys that are set."""
        return self.model_dump(mode="json", exclude_none=True)


class Persona:
    """An engine that is asked with a system prompt, and with defaults for sampling."""

    def __init__(self, engine: Engine, system: str | None, sampling: Mapping[str, Any]) -> None:
        self.name = engine.name
        self._engine = engine
        self._system = system
        self._sampling = sampling

    async def open(self, request: Request, asked_model: str) -> Answer:
        """The engine's answer. Raises ExpertError."""
        return await self._engine.open(self.asked(request), asked_model)

    def asked(self, request: Request) -> Request:
        """The request as the engine gets it. A completion, which has no messages, has no system."""
        body = {**request.body}
        for key, value in self._sampling.items():
            bounded = key == "max_tokens" and any(body.get(bound) is not None for bound in _BOUNDS)
            if body.get(key) is None and not bounded:
                body[key] = value
        return replace(request, body=self._with_system(body))

    def _with_system(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._system is None or not isinstance(body.get("messages"), list):
            return body
        return {**body, "messages": with_system(body["messages"], self._system)}


class _ServedPersona(Persona):
    """The same, of an engine whose server offers more than answers."""

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        """What the server says; the messages that it counts have the system prompt, too."""
        assert isinstance(self._engine, HasEndpoints)
        return await self._engine.call(method, path, body and self._with_system(dict(body)))


def with_persona(engine: Engine, system: str | None, defaults: Mapping[str, Any]) -> Engine:
    """The engine, asked as its expert is configured; itself where there is nothing to add.

    `defaults` are fields of requests that have none of their own.
    """
    if system is None and not defaults:
        return engine
    kind = _ServedPersona if isinstance(engine, HasEndpoints) else Persona
    return kind(engine, system, defaults)
