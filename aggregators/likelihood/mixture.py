"""A linear opinion pool: the weighted mean of what experts say every token's probability is.

For each token, log(sum_i w_i p_i(token | all tokens before it)). The mixture is one of
distributions over the next token, so its log-probabilities add up to those of whole texts under one
proper model (Stone, "The opinion pool", 1961; for language models, interpolation as in Jelinek and
Mercer, 1980).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLOOR = -9999.0
"""What stands for the logarithm of 0, which JSON does not have; engines say the same."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A text, token by token, and how probable each token is after those before it."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    """Natural logarithms; None where nothing is known, as of a text's first token."""
    alternatives: tuple[Mapping[str, float], ...]
    """For every place, the log-probabilities of the tokens that are most probable there."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """A text as the mixture scores it."""

    scored: Scored
    undecided: int
    """Places where the alternatives do not suffice to say which token is the most probable."""


class TokensDiffer(Exception):
    """Two experts read a text as different tokens; `first` and `second` are their numbers."""

    def __init__(
        self, first: int, second: int, place: int, tokens: tuple[str | None, str | None]
    ) -> None:
        one, other = ("missing" if token is None else repr(token) for token in tokens)
        super().__init__(f"token {place} is {one} and {other}")
        self.first = first
        self.second = second


def mix(parts: Sequence[Scored], weights: Sequence[float], generated: int = 0) -> Mixture:
    """The mixture of what experts say of one text; `weights` are positive, one for each.

    The last `generated` tokens (0 or 1) are not the text's but each expert's own, and become the
    mixture's most probable one. An alternative that an expert did not name has no probability from
    it, so what is said of alternatives is at least so. Raises TokensDiffer.
    """
    shares = [weight / math.fsum(weights) for weight in weights]
    text = _agreed(parts, generated)
    tokens: list[str] = []
    logprobs: list[float | None] = []
    alternatives: list[Mapping[str, float]] = []
    undecided = 0
    for place in range(len(parts[0].tokens)):
        known = [part.alternatives[place] for part in parts]
        mixed = _mixed_alternatives(known, shares)
        if place >= len(text):
            token = max(mixed, key=lambda one: (mixed[one], one), default="")
            value = mixed.get(token)
        else:
            token = text[place]
            value = _mixed([part.logprobs[place] for part in parts], shares)
        if value is not None:
            mixed[token] = value
            undecided += not _decided(token, mixed, known, shares)
        tokens.append(token)
        logprobs.append(value)
        alternatives.append(mixed)
    return Mixture(Scored(tuple(tokens), tuple(logprobs), tuple(alternatives)), undecided)


def pooled(logs: Sequence[float]) -> float:
    """The logarithm of a sum, from the logarithms of its terms, whatever their order.

    Never above 0, the logarithm of certainty, and never below FLOOR.
    """
    top = max(logs, default=FLOOR)
    if top <= FLOOR:
        return FLOOR
    if len(logs) == 1:
        return min(0.0, top)
    # fsum is exact, so that no order of the experts is another mixture.
    total = math.fsum([math.exp(one - top) for one in logs])
    return min(0.0, top + math.log(total))


def _agreed(parts: Sequence[Scored], generated: int) -> tuple[str, ...]:
    """The tokens of the text, which every expert must have read alike."""
    first = parts[0].tokens
    length = len(first) - generated
    for number, part in enumerate(parts[1:], start=1):
        for place in range(max(len(first), len(part.tokens))):
            pair = _at(first, place), _at(part.tokens, place)
            if (pair[0] != pair[1] and place < length) or None in pair:
                raise TokensDiffer(0, number, place, pair)
    return first[:length]


def _at(tokens: Sequence[str], place: int) -> str | None:
    return tokens[place] if place < len(tokens) else None


def _mixed(logprobs: Sequence[float | None], shares: Sequence[float]) -> float | None:
    """The mixture's log-probability of the text's token; None where an expert knows none."""
    known = [one for one in logprobs if one is not None]
    if len(known) < len(shares):
        return None
    return pooled([math.log(w) + one for w, one in zip(shares, known, strict=True)])


def _mixed_alternatives(
    known: Sequence[Mapping[str, float]], shares: Sequence[float]
) -> dict[str, float]:
    named: dict[str, list[float]] = {}
    for share, one in zip(shares, known, strict=True):
        weight = math.log(share)
        for token, value in one.items():
            named.setdefault(token, []).append(weight + value)
    return {token: pooled(logs) for token, logs in named.items()}


def _decided(
    token: str,
    mixed: Mapping[str, float],
    known: Sequence[Mapping[str, float]],
    shares: Sequence[float],
) -> bool:
    """Whether it is certain that the token is, or is not, the most probable one of its place."""
    if any(value > mixed[token] for other, value in mixed.items() if other != token):
        return True
    rest = [share * _unnamed(token, one) for share, one in zip(shares, known, strict=True)]
    most = math.exp(mixed[token])
    others = [other for other in mixed if other != token]
    ceilings = [
        math.exp(mixed[other])
        + math.fsum(left for left, one in zip(rest, known, strict=True) if other not in one)
        for other in others
    ]
    return max([*ceilings, math.fsum(rest)]) <= most


def _unnamed(token: str, named: Mapping[str, float]) -> float:
    """The most that an expert can give to a token that it did not name.

    The text's own token is always named, however improbable, and so says nothing of the others.
    """
    least = min((value for other, value in named.items() if other != token), default=0.0)
    left = 1.0 - math.fsum(math.exp(value) for value in named.values())
    return max(0.0, min(math.exp(least), left))
