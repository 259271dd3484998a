"""Scores given texts by a weighted mixture of experts, and can be asked nothing else."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, field_validator

from aggregators.base import AggregatorConfig, Ask, Panel
from experts.errors import RequestError
from experts.types import Chunk, Request

CAN = (
    "It tells how probable given texts are to several experts together: POST /v1/completions with"
    " `echo: true`, a number of `logprobs`, and `max_tokens` 0 or 1."
)
_HANDED_ON = ("prompt", "max_tokens", "seed", "user", "add_special_tokens")
_SETTLED: Mapping[str, tuple[Any, ...]] = {
    "echo": (True,),
    "stream": (None, False),
    "n": (None, 1),
    "best_of": (None, 1),
    "max_tokens": (0, 1),
}
"""Fields that must have one of these values."""
_READ = ("logprobs", "temperature", "model")


class LikelihoodConfig(AggregatorConfig):
    """The keys of a pooled likelihood."""

    type: Literal["likelihood"]
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="The experts of the mixture and the weight of each, in any unit; 0 leaves one"
        " out. They must share a tokenizer. Empty: every expert of the pool, weighing the same.",
    )
    alternatives: int = Field(
        5,
        ge=1,
        description="The most probable tokens that experts are asked for at each place, at least;"
        " more make it surer which token is the mixture's first. vLLM allows 20, unless an expert's"
        " `engine_args` raise `max_logprobs`.",
    )

    require_all: bool = Field(
        False,
        description="Whether one expert that fails is an error; otherwise it is left out of the"
        " mixture, and listed. Texts scored by other experts are not comparable: set it where"
        " scores are compared.",
    )

    @field_validator("weights")
    @classmethod
    def _someone_counts(cls, value: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in value.values()):
            raise ValueError("no weight may be below 0")
        if value and not any(value.values()):
            raise ValueError("some weight must be above 0")
        return value

    def named(self) -> dict[str, tuple[str, ...]]:
        """The experts that have weights."""
        return {"weights": tuple(self.weights)}


class Likelihood:
    """A linear opinion pool over experts that share a tokenizer (see `mixture.py`).

    The same experts score every text, whatever a router would say of it: two texts could not be
    compared otherwise.
    """

    Config = LikelihoodConfig

    def __init__(self, config: LikelihoodConfig) -> None:
        self._weights = {name: weight for name, weight in config.weights.items() if weight}
        self._alternatives = config.alternatives
        self.require_all = config.require_all

    def most_calls(self, panel: Panel) -> Counter[str]:
        """Each expert scores all texts of a request at once."""
        return Counter(set(panel.experts))

    def members(self, experts: Sequence[str]) -> tuple[str, ...]:
        """Who is asked, of a pool of these experts."""
        return tuple(self._weights or experts)

    def weights(self, members: Sequence[str]) -> tuple[float, ...]:
        """The weight of each member. Raises RequestError for one that has none."""
        if not self._weights:
            return (1.0,) * len(members)
        if strangers := [name for name in members if name not in self._weights]:
            raise RequestError(
                f"Expert {strangers[0]} has no weight in this mixture"
                f" (it has: {', '.join(self._weights)}).",
                param="coterie.experts",
            )
        return tuple(self._weights[name] for name in members)

    def asked(self, request: Request) -> Request:
        """What every expert is asked. Raises RequestError for all but a request to score texts."""
        body = request.body
        if request.operation != "completions":
            raise RequestError(f"This composition does not generate. {CAN}", param="model")
        for field, values in _SETTLED.items():
            if not any(_same(body.get(field), value) for value in values):
                raise _cannot(
                    field, " or ".join(json.dumps(one) for one in values if one is not None)
                )
        if not _is_count(body.get("logprobs")):
            raise _cannot("logprobs", "a whole number, 0 or more")
        if body["max_tokens"] and body.get("temperature") != 0:
            raise _cannot("temperature", "0, where a token is asked for")
        for field, value in body.items():
            if value is not None and field not in (*_HANDED_ON, *_SETTLED, *_READ):
                raise RequestError(f"This composition takes no {field}. {CAN}", param=field)
        prompts_in(body)
        most = max(self._alternatives, body["logprobs"])
        handed = {field: body[field] for field in _HANDED_ON if body.get(field) is not None}
        return replace(request, body={**handed, "echo": True, "logprobs": most, "temperature": 0})

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """It has no answer to give, as the panel of another aggregator neither."""
        raise RequestError(f"This composition does not generate. {CAN}", param="model")
        yield Chunk("")


def prompts_in(body: Mapping[str, Any]) -> int:
    """How many texts a completion's prompt has: text, tokens, or a list of either.

    Raises RequestError.
    """
    prompt = body.get("prompt")
    if _is_text(prompt):
        return 1
    if isinstance(prompt, list) and prompt and all(map(_is_text, prompt)):
        return len(prompt)
    raise _cannot("prompt", "a text, a list of token ids, or a list of either, none empty")


def _is_text(value: Any) -> bool:
    """A string, or the ids of its tokens."""
    if isinstance(value, str):
        return bool(value)
    return isinstance(value, list) and bool(value) and all(map(_is_count, value))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _same(value: Any, other: Any) -> bool:
    """Whether two values are equal in JSON, where 1 is not true."""
    return type(value) is type(other) and bool(value == other)


def _cannot(field: str, needed: str) -> RequestError:
    return RequestError(f"`{field}` must be {needed}. {CAN}", param=field)
