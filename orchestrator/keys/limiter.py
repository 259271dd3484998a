"""What one API key may still ask: it passes requests while its meters have something left."""

import asyncio
from collections.abc import Mapping

from experts.errors import LimitReached
from orchestrator.config.keys.limits_section import LimitsConfig
from orchestrator.config.keys.section import KeyTerms
from orchestrator.keys.counters import Counters
from orchestrator.keys.meter import DAY_S, MINUTE_S, NANO, Kind, Meter

Amounts = Mapping[Kind, int]
"""How much of each kind; prices in billionths of a dollar."""
MOST_DRAWS = 16
"""Tries of one request that others of its key overtake."""
MINUTES_IN_A_DAYS_SHARE = 24


def meters_of(terms: KeyTerms, settings: LimitsConfig) -> tuple[Meter, ...]:
    """One for each limit of a key."""
    price = terms.price_per_day
    limits: list[tuple[Kind, int | None, int]] = [
        ("requests", terms.requests_per_minute, MINUTE_S),
        ("tokens", terms.tokens_per_minute, MINUTE_S),
        ("tokens", terms.tokens_per_day, DAY_S),
        ("price", None if price is None else max(1, round(price / NANO)), DAY_S),
    ]
    return tuple(
        Meter(kind, limit, period_s, _grain(limit, period_s, settings.credit_share))
        for kind, limit, period_s in limits
        if limit is not None
    )


class KeyLimiter:
    """Lets requests of one key pass while there is something left for them."""

    def __init__(self, key: str, terms: KeyTerms, counters: Counters) -> None:
        self.key = key
        self.meters = meters_of(terms, counters.settings)
        self.in_flight = 0
        self._most_in_flight = terms.max_in_flight
        self._counters = counters
        self._drawing = asyncio.Lock()
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def has_limits(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.meters) or self._most_in_flight is not None

    def enter(self) -> None:
        """A request is under way. Raises LimitReached; `leave` ends it."""
        most = self._most_in_flight
        if most is not None and self.in_flight >= most:
            raise LimitReached(
                f"Rate limit reached for the key `{self.key}`: {most} requests are under way"
                " (max_in_flight).",
                kind="requests",
                quota=False,
                retry_after_s=1.0,
            )
        self.in_flight += 1

    def leave(self) -> None:
        """It is over."""
        self.in_flight -= 1

    async def take(self, amounts: Amounts, share: float = 1.0) -> dict[int, tuple[int, int]]:
        """Reserve so much. Raises LimitReached.

        Of a minute's limits, only `share` may be used up. Returns, by the meters' numbers, the
        window and the amount, for `settle`.
        """
        needs = {n: (m, amounts.get(m.kind, 0)) for n, m in enumerate(self.meters)}
        self._check_size(needs)
        if not self._lacking(needs, share):
            return self._spent(needs)
        async with self._drawing:
            for _ in range(MOST_DRAWS):
                lacking = self._lacking(needs, share)
                if not lacking:
                    return self._spent(needs)
                now = self._counters.clock()
                if dry := [m for m, need in lacking.values() if m.is_dry(need, now)]:
                    raise self._refusal(dry, needs)
                refused = await self._counters.draw(self.key, lacking)
                if refused is None:
                    return self._spent_alone(needs)
                if refused:
                    raise self._refusal(refused, needs)
        raise self._refusal([meter for meter, _ in lacking.values()], needs)

    def settle(self, reserved: Mapping[int, tuple[int, int]], real: Amounts) -> None:
        """Correct what was reserved to what it came to.

        Of a window that is over nothing is given back, and what is owed is owed in this one.
        """
        self._turn()
        for number, (window, amount) in reserved.items():
            meter = self.meters[number]
            more = real.get(meter.kind, 0) - amount
            if more > 0 or meter.window == window:
                meter.spend(more)
        self._settle_with_others()

    async def close(self) -> None:
        """Give back what was drawn and not spent, and pay what is owed."""
        for meter in self.meters:
            meter.grain = 0
        await self._pay()

    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*`, as OpenAI has them: of a minute's limits, of tokens else of a day's."""
        now = self._counters.clock()
        self._turn()
        shown: dict[Kind, Meter] = {}
        for meter in self.meters:
            shown.setdefault(meter.kind, meter)
        found: dict[str, str] = {}
        for kind, meter in shown.items():
            if kind != "price":
                found[f"x-ratelimit-limit-{kind}"] = str(meter.limit)
                found[f"x-ratelimit-remaining-{kind}"] = str(meter.remaining)
                found[f"x-ratelimit-reset-{kind}"] = span(meter.reset_s(now))
        return found

    def _turn(self) -> None:
        now = self._counters.clock()
        for meter in self.meters:
            meter.turn(now)

    def _lacking(
        self, needs: Mapping[int, tuple[Meter, int]], share: float
    ) -> dict[int, tuple[Meter, int]]:
        """The meters that have too little. Raises LimitReached where a share is used up."""
        self._turn()
        over = [m for m, need in needs.values() if self._is_over_share(m, need, share)]
        if over:
            raise self._refusal(over, needs)
        return {n: (meter, need) for n, (meter, need) in needs.items() if meter.free < need}

    @staticmethod
    def _is_over_share(meter: Meter, need: int, share: float) -> bool:
        if share >= 1 or meter.is_quota or meter.remaining == meter.limit:
            return False  # One is let through, even where it is more than the share.
        return meter.remaining - need < (1 - share) * meter.limit

    def _spent(self, needs: Mapping[int, tuple[Meter, int]]) -> dict[int, tuple[int, int]]:
        for meter, need in needs.values():
            meter.spend(need)
        return {n: (meter.window, need) for n, (meter, need) in needs.items()}

    def _spent_alone(self, needs: Mapping[int, tuple[Meter, int]]) -> dict[int, tuple[int, int]]:
        """Without the store: up to the limit by what is known here. Raises LimitReached."""
        self._turn()
        if dry := [meter for meter, need in needs.values() if meter.remaining < need]:
            raise self._refusal(dry, needs)
        return self._spent(needs)

    def _unsettled(self) -> dict[int, tuple[Meter, int]]:
        """Meters that owe something, or that hold more than they soon need."""
        return {
            n: (meter, 0)
            for n, meter in enumerate(self.meters)
            if meter.free < 0 or meter.free > 2 * meter.grain
        }

    def _settle_with_others(self) -> None:
        """In a task of its own: no request waits for it."""
        if not self._settling and self._unsettled():
            task = asyncio.create_task(self._pay())
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _pay(self) -> None:
        async with self._drawing:
            self._turn()
            if unsettled := self._unsettled():
                await self._counters.draw(self.key, unsettled)

    def _check_size(self, needs: Mapping[int, tuple[Meter, int]]) -> None:
        for meter, need in needs.values():
            if need > meter.limit:
                self._turn()
                raise LimitReached(
                    f"Request too large for the key `{self.key}`: limit {meter.words},"
                    f" {meter.told(meter.remaining)} left, requested {_asked(meter, need)}.",
                    hint="Shorten the prompt or lower `max_tokens`.",
                    kind=meter.kind,
                    quota=meter.is_quota,
                    retry_after_s=None,  # It will never fit.
                    retryable=False,
                )

    def _refusal(self, dry: list[Meter], needs: Mapping[int, tuple[Meter, int]]) -> LimitReached:
        """The one that lasts longest counts."""
        now = self._counters.clock()
        meter = max(dry, key=lambda one: one.reset_s(now))
        wait_s = meter.reset_s(now)
        need = next(need for one, need in needs.values() if one is meter)
        what = "The quota is spent" if meter.is_quota else "Rate limit reached"
        return LimitReached(
            f"{what} for the key `{self.key}`: limit {meter.words},"
            f" {meter.told(meter.remaining)} left, requested {_asked(meter, need)}.",
            hint=f"Please try again in {span(wait_s)}.",
            kind=meter.kind,
            quota=meter.is_quota,
            retry_after_s=wait_s,
        )


def _asked(meter: Meter, need: int) -> str:
    """What a request asks for; of tokens, how that is counted."""
    how = " (the prompt as estimated, and the longest answer)" if meter.kind == "tokens" else ""
    return f"{meter.told(need)}{how}"


def span(seconds: float) -> str:
    """A time as OpenAI's headers have it: `120ms`, `7s`, `6m0s`, `23h59m1s`."""
    if seconds < 1:
        return f"{max(1, round(1000 * seconds))}ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _grain(limit: int, period_s: int, share: float) -> int:
    """What is drawn at once: of a day less, since a gateway that is killed gives nothing back."""
    parts = MINUTES_IN_A_DAYS_SHARE if period_s == DAY_S else 1
    return max(1, int(limit * share / parts))
