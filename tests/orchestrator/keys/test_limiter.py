"""The limiter against a model of windows: alone it is exact, together nobody gets too much."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import LimitReached, StoreError
from orchestrator.config.keys.limits_section import LimitsConfig
from orchestrator.config.keys.section import KeyTerms
from orchestrator.keys.counters import Counters
from orchestrator.keys.limiter import KeyLimiter, span
from orchestrator.store.draws import Draw, Drawn
from orchestrator.store.memory_store import MemoryStore

QUICK = settings(deadline=None, max_examples=200)


class Clock:
    """A time that tests turn."""

    def __init__(self, now: float = 6000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Store(MemoryStore):
    """One that may be away, or silent, and that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.silent = False
        self.asked = 0

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        self.asked += 1
        await asyncio.sleep(0)  # As every real one, it lets others go on meanwhile.
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise StoreError("It is away.")
        return await super().draw(draws)


def limiter(store: Any, clock: Clock, share: float = 0.03, **terms: Any) -> KeyLimiter:
    limits = LimitsConfig(credit_share=share, ask_again_s=0, store_timeout_s=0.05)
    return KeyLimiter("ann", KeyTerms(**terms), Counters(store, limits, clock, clock))


async def is_let_in(one: KeyLimiter, tokens: int = 0) -> Any:
    """What was reserved, or nothing."""
    try:
        return await one.take({"requests": 1, "tokens": tokens})
    except LimitReached:
        return None


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # The gateway.
        st.integers(0, 12),  # Tokens that are reserved,
        st.integers(0, 12),  # and how much of them it came to.
        st.sampled_from([0, 0, 0, 1, 25, 61]),  # Seconds that pass then.
    ),
    max_size=40,
)


@QUICK
@given(STEPS, st.integers(1, 8), st.integers(1, 30), st.sampled_from([0.001, 0.2, 1.0]))
async def test_alone_it_is_as_exact_as_a_counter(
    steps: Any, requests: int, tokens: int, share: float
) -> None:
    clock = Clock()
    one = limiter(
        MemoryStore(), clock, share, requests_per_minute=requests, tokens_per_minute=tokens
    )
    used: Counter[int] = Counter()
    spent: Counter[int] = Counter()
    for _, reserved, real, pause_s in steps:
        window = int(clock.now // 60)
        fits = used[window] < requests and spent[window] + reserved <= tokens
        got = await is_let_in(one, reserved)
        assert (got is not None) == fits
        if got is not None:
            used[window] += 1
            spent[window] += min(real, reserved)
            one.settle(got, {"requests": 1, "tokens": min(real, reserved)})
        told = one.headers()
        assert told["x-ratelimit-remaining-requests"] == str(requests - used[window])
        assert told["x-ratelimit-remaining-tokens"] == str(tokens - spent[window])
        clock.now += pause_s


@QUICK
@given(STEPS, st.integers(1, 8), st.integers(1, 30), st.sampled_from([0.001, 0.2, 1.0]))
async def test_together_they_never_let_too_much_in(
    steps: Any, requests: int, tokens: int, share: float
) -> None:
    clock, store = Clock(), Store()
    terms = {"requests_per_minute": requests, "tokens_per_minute": tokens}
    gateways = [limiter(store, clock, share, **terms) for _ in range(3)]
    used: Counter[int] = Counter()
    spent: Counter[int] = Counter()
    for number, reserved, real, pause_s in steps:
        window = int(clock.now // 60)
        if (got := await is_let_in(gateways[number], reserved)) is not None:
            used[window] += 1
            spent[window] += min(real, reserved)
            gateways[number].settle(got, {"requests": 1, "tokens": min(real, reserved)})
        assert used[window] <= requests
        assert spent[window] <= tokens
        clock.now += pause_s


async def test_a_limit_that_is_reached_is_not_asked_for_again_at_once() -> None:
    store, clock = Store(), Clock()
    limits = LimitsConfig(ask_again_s=0.25)
    counters = Counters(store, limits, clock, clock)
    one = KeyLimiter("ann", KeyTerms(requests_per_minute=3), counters)
    assert [await is_let_in(one) is not None for _ in range(20)].count(True) == 3
    assert store.asked == 4
    clock.now += 0.3
    assert await is_let_in(one) is None
    assert store.asked == 5


async def test_those_that_come_at_once_do_not_overtake_the_limit() -> None:
    store, clock = Store(), Clock()
    gateways = [limiter(store, clock, requests_per_minute=100) for _ in range(3)]
    found = await asyncio.gather(*(is_let_in(one) for _ in range(60) for one in gateways))
    assert sum(got is not None for got in found) == 100


async def test_what_others_hold_is_little() -> None:
    """A gateway that is idle keeps at most two grains of a minute's limit."""
    store, clock = MemoryStore(), Clock()
    idle, busy = (limiter(store, clock, requests_per_minute=1000) for _ in range(2))
    assert await is_let_in(idle) is not None
    let_in = [await is_let_in(busy) for _ in range(1000)]
    assert sum(got is not None for got in let_in) == 1000 - 30


async def test_the_store_is_asked_rarely() -> None:
    store = Store()
    one = limiter(store, Clock(), requests_per_minute=10_000)
    for _ in range(10_000):
        assert await is_let_in(one) is not None
    assert store.asked <= 34


async def test_what_was_reserved_is_given_back_to_others() -> None:
    store, clock = MemoryStore(), Clock()
    first, second = (limiter(store, clock, tokens_per_minute=1000) for _ in range(2))
    got = await first.take({"requests": 1, "tokens": 1000})
    assert await is_let_in(second, 10) is None
    first.settle(got, {"requests": 1, "tokens": 40})
    await asyncio.gather(*first._settling)
    assert await is_let_in(second, 1000 - 40 - 60) is not None  # Two grains stay with the first.
    await first.close()
    assert await is_let_in(second, 60) is not None
    assert await is_let_in(second, 1) is None


async def test_more_than_was_reserved_is_owed() -> None:
    store, clock = MemoryStore(), Clock()
    first, second = (limiter(store, clock, tokens_per_minute=100) for _ in range(2))
    got = await first.take({"requests": 1, "tokens": 10})
    first.settle(got, {"requests": 1, "tokens": 130})
    await asyncio.gather(*first._settling)
    assert await is_let_in(second, 1) is None
    assert await is_let_in(first, 1) is None
    clock.now += 60
    assert await is_let_in(second, 100) is not None


async def test_what_is_more_than_expected_counts_in_the_minute_in_which_it_is_known() -> None:
    clock = Clock()
    one = limiter(MemoryStore(), clock, tokens_per_minute=100)
    more, less = [await one.take({"requests": 1, "tokens": 10}) for _ in range(2)]
    clock.now += 60
    one.settle(more, {"requests": 1, "tokens": 60})
    one.settle(less, {"requests": 1, "tokens": 0})
    assert one.headers()["x-ratelimit-remaining-tokens"] == "50"


async def test_a_store_that_is_away_leaves_each_gateway_its_own_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = Store(), Clock()
    gateways = [limiter(store, clock, requests_per_minute=10) for _ in range(2)]
    store.away = True
    for one in gateways:
        assert sum([await is_let_in(one) is not None for _ in range(20)]) == 10
    assert store.asked == 2  # Not again before `store_retry_s`.
    assert caplog.text.count("count on this gateway alone") == 2
    store.away = False
    clock.now += 6
    for one in gateways:  # What each has let in is owed: there is nothing left for anybody.
        assert await is_let_in(one) is None
        await one.close()
    assert caplog.text.count("the store answers again") == 2
    (counter,) = await store.draw([Draw("ann/requests/60/100", 10)])
    assert counter.total == 20


async def test_a_silent_store_holds_nobody_up() -> None:
    store = Store()
    one = limiter(store, Clock(), requests_per_minute=10)
    store.silent = True
    async with asyncio.timeout(5):
        assert await is_let_in(one) is not None
        assert await is_let_in(one) is not None
    assert store.asked == 1


async def test_the_errors_say_which_limit_and_when() -> None:
    clock = Clock(6030.0)
    one = limiter(MemoryStore(), clock, requests_per_minute=1, tokens_per_day=50)
    await one.take({"requests": 1, "tokens": 40})
    with pytest.raises(
        LimitReached, match=r"1 requests per minute, 0 left, requested 1\. Please try again in 30s"
    ) as hit:
        await one.take({"requests": 1, "tokens": 1})
    assert (hit.value.code, hit.value.kind) == ("rate_limit_exceeded", "requests")
    assert (hit.value.retry_after_s, hit.value.retryable) == (30.0, True)
    clock.now += 60
    with pytest.raises(LimitReached, match=r"50 tokens per day, 10 left, requested 11 \(") as hit:
        await one.take({"requests": 1, "tokens": 11})
    assert (hit.value.code, hit.value.retryable) == ("insufficient_quota", False)
    assert hit.value.retry_after_s == 86400 - 6090
    with pytest.raises(LimitReached, match=r"10 left, requested 51 \(the prompt") as hit:
        await one.take({"requests": 1, "tokens": 51})
    assert hit.value.retry_after_s is None


async def test_lines_of_batches_leave_their_share() -> None:
    one = limiter(MemoryStore(), Clock(), requests_per_minute=10)
    for _ in range(5):
        await one.take({"requests": 1}, share=0.5)
    with pytest.raises(LimitReached):
        await one.take({"requests": 1}, share=0.5)
    for _ in range(5):
        await one.take({"requests": 1})


def test_requests_under_way_are_bounded() -> None:
    one = limiter(MemoryStore(), Clock(), max_in_flight=2)
    assert one.has_limits
    one.enter()
    one.enter()
    with pytest.raises(LimitReached, match="max_in_flight") as hit:
        one.enter()
    assert hit.value.retryable
    one.leave()
    one.enter()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1ms"),
        (0.12, "120ms"),
        (7.4, "7s"),
        (59.9, "1m0s"),
        (360, "6m0s"),
        (86399, "23h59m59s"),
    ],
)
def test_times_are_worded_as_openai_does(seconds: float, words: str) -> None:
    assert span(seconds) == words
