"""Lets a request, or a line of a batch, begin once its key has room for it."""

import asyncio

from starlette.types import Scope

from experts.errors import LimitReached
from experts.types import Request
from orchestrator.config.model import Config
from orchestrator.keys.charge import Charge, charged
from orchestrator.keys.estimate import estimate
from orchestrator.keys.limiter import KeyLimiter
from orchestrator.keys.ring import KeyRing
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import prices_of
from orchestrator.request.tracing.trace import Trace
from orchestrator.server.errors import CLIENT_LEFT

METERED = "coterie.metered"
"""Where the ASGI scope holds what the request has reserved."""
ANSWERED = 200
TURN_S = 0.01
"""Clocks of windows and of waiting may differ by that."""


class Prices:
    """What models cost, in dollars per million tokens."""

    def __init__(self, config: Config) -> None:
        self.by_expert = prices_of(config)
        self._dearest = max((self.by_expert[name] for name in config.answering), default=0.0)

    def of(self, model: str) -> float:
        """An expert's own; of a composition, that of the dearest expert, whom it may ask."""
        return self.by_expert.get(model, self._dearest)


class Metered:
    """What one request holds of its key's limits."""

    def __init__(self, limiter: KeyLimiter, prices: Prices) -> None:
        self.limiter = limiter
        self.prices = prices
        self.charge: Charge | None = None
        self._entered = False

    def enter(self) -> None:
        """Raises LimitReached where too many of the key's requests are under way."""
        self.limiter.enter()
        self._entered = True

    def leave(self) -> None:
        """Whatever became of it."""
        if self._entered:
            self.limiter.leave()


async def admit(scope: Scope, config: Config, model: str, request: Request | None) -> None:
    """Reserve what a request may cost its key; None for a call that costs no tokens.

    Raises LimitReached. The gate around the application says in the end what it came to.
    """
    metered: Metered | None = scope.get(METERED)
    if metered is None:
        return
    metered.enter()
    guess = None if request is None else estimate(request, config.server.limits.unstated_tokens)
    metered.charge = await charged(metered.limiter, guess, metered.prices.of(model))


def settle(charge: Charge, trace: Trace | None, prices: Prices) -> None:
    """Correct a charge when its request is over; `trace` is None where it was not answered."""
    if trace is None:
        charge.end({}, prices.by_expert, is_guessed=False)
        return
    asked = bool(trace.attempts or trace.calls)
    whole = trace.status == ANSWERED and trace.usage
    begun = charge.pieces > 0 or trace.status in (ANSWERED, CLIENT_LEFT)
    charge.end(trace.usage, prices.by_expert, is_guessed=asked and begun and not whole)


class LineCharges:
    """Charges the lines of batches to the keys that made them."""

    def __init__(self, config: Config, keys: KeyRing) -> None:
        self._config = config
        self._keys = keys
        self._prices = Prices(config)

    async def begin(self, context: RequestContext) -> Charge | None:
        """Wait for the limits of a minute. Raises LimitReached where the day's are reached."""
        entry = self._keys.named(context.api_key_name)
        if entry is None or not entry.limiter.meters:
            return None
        limits = self._config.server.limits
        guess = estimate(context.request, limits.unstated_tokens)
        price = self._prices.of(context.model)
        while True:
            try:
                return await charged(entry.limiter, guess, price, limits.batch_share)
            except LimitReached as error:
                if not error.retryable or error.retry_after_s is None:
                    raise
                await asyncio.sleep(error.retry_after_s + TURN_S)

    def end(self, charge: Charge | None, trace: Trace) -> None:
        """It is over."""
        if charge is not None:
            settle(charge, trace, self._prices)
