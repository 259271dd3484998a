"""What one request costs its key: reserved before it is asked, corrected when it is over."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from experts.errors import LimitReached
from experts.types import Usage
from orchestrator.keys.estimate import Estimate
from orchestrator.keys.limiter import Amounts, KeyLimiter
from orchestrator.keys.meter import NANO, Kind

PER_TOKEN = 1e-6 / NANO
"""Billionths of a dollar per token, for a price in dollars per million tokens."""


@dataclass(slots=True)
class Charge:
    """A request that has passed; `end` says what it came to."""

    limiter: KeyLimiter
    reserved: Mapping[int, tuple[int, int]]
    guess: Estimate | None
    """None for a call that costs no tokens."""
    price: float
    """Of its model, in dollars per million tokens, where nobody tells who was asked."""
    pieces: int = field(default=0, init=False)
    """Events of its stream, as far as they were sent; of another answer, its size in tokens."""

    def end(
        self, usage: Mapping[str, Usage], prices: Mapping[str, float], *, is_guessed: bool
    ) -> None:
        """`usage` is by expert, as far as it is known; `prices` in dollars per million tokens.

        `is_guessed`: it may have come to more (a stream that broke or tells no usage, a client that
        left). Each event that was sent then counts as a token, as a panel's budget counts its
        pieces, and the prompt as it was guessed.
        """
        tokens = sum(one.prompt_tokens + one.completion_tokens for one in usage.values())
        billionths = sum(
            (one.prompt_tokens + one.completion_tokens) * prices.get(name, 0.0) * PER_TOKEN
            for name, one in usage.items()
        )
        if is_guessed and self.guess is not None:
            tokens = max(tokens, self.guess.prompt + self.pieces)
            billionths = max(billionths, tokens * self.price * PER_TOKEN)
        real: dict[Kind, int] = {"requests": 1, "tokens": tokens, "price": math.ceil(billionths)}
        self.limiter.settle(self.reserved, real)


async def charged(
    limiter: KeyLimiter, guess: Estimate | None, price: float, share: float = 1.0
) -> Charge:
    """Reserve what a request may cost. Raises LimitReached."""
    amounts = _amounts(limiter, guess, price)
    try:
        reserved = await limiter.take(amounts, share)
    except LimitReached as error:
        if guess is not None:
            error.hint += _advice(limiter, guess, amounts, error)
        raise
    return Charge(limiter, reserved, guess, price)


def _advice(limiter: KeyLimiter, guess: Estimate, amounts: Amounts, error: LimitReached) -> str:
    """That a smaller bound of the answer would let the request in now, where it would."""
    left = min((m.remaining for m in limiter.meters if m.kind == "tokens"), default=0)
    answer = amounts.get("tokens", 0) - guess.prompt
    if (
        error.kind != "tokens"
        or error.retry_after_s is None
        or not 0 < left - guess.prompt < answer
    ):
        return ""
    if guess.stated:
        return " Or set a smaller `max_tokens`: less is left than it asks for."
    return f" Or set `max_tokens`: without it, {answer} tokens are counted for the answer."


def _amounts(limiter: KeyLimiter, guess: Estimate | None, price: float) -> Amounts:
    """Where the client has not bounded its answer, our guess of that makes no request too large."""
    if guess is None:
        return {"requests": 1}
    tokens, bounds = guess.tokens, [m.limit for m in limiter.meters if m.kind == "tokens"]
    if not guess.stated and bounds:
        tokens = max(guess.prompt, min(tokens, *bounds))
    billionths = math.ceil(tokens * price * PER_TOKEN)
    dearest = min((m.limit for m in limiter.meters if m.kind == "price"), default=billionths)
    return {"requests": 1, "tokens": tokens, "price": min(billionths, dearest)}
