"""The border of pooled likelihood: what experts' servers send, and the choices a client gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from aggregators.likelihood.mixture import Mixture, Scored, TokensDiffer, mix
from experts.errors import BadOutput, RequestError


class _Part(BaseModel):
    """What we read of an expert's answer; the rest is its own business."""

    model_config = ConfigDict(allow_inf_nan=False)


class _Logprobs(_Part):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None = None


class _Choice(_Part):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Body(_Part):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One prompt as one expert scores it, with the token that it would go on with, if any."""

    text: str
    finish_reason: str
    scored: Scored


def read(expert: str, raw: bytes, prompts: int) -> list[ScoredText]:
    """What an expert says of each of so many prompts, in their order. Raises BadOutput."""
    try:
        choices = sorted(_Body.model_validate_json(raw).choices, key=lambda one: one.index)
    except ValidationError as error:
        raise BadOutput(
            f"Expert {expert} sent something else than a completion.", expert=expert
        ) from error
    if [choice.index for choice in choices] != list(range(prompts)):
        raise BadOutput(
            f"Expert {expert} scored {len(choices)} of {prompts} prompts.", expert=expert
        )
    return [_scored(expert, choice) for choice in choices]


def _scored(expert: str, choice: _Choice) -> ScoredText:
    told = choice.logprobs
    if told is None:
        raise BadOutput(
            f"Expert {expert} gave no log-probabilities of the prompt, which its server must offer"
            " (`echo` with `logprobs`).",
            expert=expert,
        )
    tops = told.top_logprobs or [None] * len(told.tokens)
    if not len(told.tokens) == len(told.token_logprobs) == len(tops):
        raise BadOutput(
            f"Expert {expert} gave other numbers of tokens and of log-probabilities.", expert=expert
        )
    alternatives = tuple(
        # An engine without alternatives still knows the token itself.
        {**(top or {}), **({token: logprob} if logprob is not None else {})}
        for token, logprob, top in zip(told.tokens, told.token_logprobs, tops, strict=True)
    )
    scored = Scored(tuple(told.tokens), tuple(told.token_logprobs), alternatives)
    return ScoredText(choice.text, choice.finish_reason or "length", scored)


def mixed_texts(
    texts: Mapping[str, Sequence[ScoredText]], weights: Sequence[float], generated: int
) -> list[Mixture]:
    """The mixture of each prompt; `texts` and `weights` are in the same order of experts.

    Raises RequestError, which names two experts, where they read a prompt as other tokens.
    """
    experts = list(texts)
    try:
        return [
            mix([one.scored for one in parts], weights, generated)
            for parts in zip(*texts.values(), strict=True)
        ]
    except TokensDiffer as error:
        raise RequestError(
            f"Experts {experts[error.first]} and {experts[error.second]} read the prompt as"
            f" different tokens ({error}): only experts with the same tokenizer have a likelihood"
            " together.",
            hint="Leave one of them out of the aggregator's `weights`.",
            param="model",
        ) from error


def choices_of(
    texts: Mapping[str, Sequence[ScoredText]], mixtures: Sequence[Mixture], most: int
) -> list[dict[str, Any]]:
    """The answer's choices in OpenAI's format, each with its `most` most probable alternatives."""
    every = zip(*texts.values(), strict=True)
    return [
        {"index": number, **_echoed(parts, mixture.scored), "logprobs": _told(mixture.scored, most)}
        for number, (parts, mixture) in enumerate(zip(every, mixtures, strict=True))
    ]


def _echoed(parts: Sequence[ScoredText], scored: Scored) -> dict[str, Any]:
    """The text, and why it ends; of an expert that goes on with the mixture's own token."""
    for part in parts:
        if part.scored.tokens == scored.tokens:
            return {"text": part.text, "finish_reason": part.finish_reason}
    own, token = parts[0].scored.tokens[-1], scored.tokens[-1]
    return {"text": parts[0].text.removesuffix(own) + token, "finish_reason": "length"}


def _told(scored: Scored, most: int) -> dict[str, Any]:
    lengths = accumulate((len(token) for token in scored.tokens), initial=0)
    tops = [
        _first(alternatives, token, most) if logprob is not None else None
        for token, logprob, alternatives in zip(
            scored.tokens, scored.logprobs, scored.alternatives, strict=True
        )
    ]
    return {
        "text_offset": [offset for offset, _ in zip(lengths, scored.tokens, strict=False)],
        "token_logprobs": list(scored.logprobs),
        "tokens": list(scored.tokens),
        "top_logprobs": tops,
    }


def _first(alternatives: Mapping[str, float], token: str, most: int) -> dict[str, float]:
    """The most probable ones, and the token itself, as OpenAI has it."""
    ranked = sorted(alternatives, key=lambda one: (-alternatives[one], one))
    kept = dict.fromkeys([*ranked[:most], token])
    return {one: alternatives[one] for one in kept}
