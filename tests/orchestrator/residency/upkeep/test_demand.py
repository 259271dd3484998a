"""How many slots there should be: bounds, growth, and no flapping, whatever happens."""

import math

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.upkeep.demand import (
    BUSY,
    Bounds,
    Change,
    SlotUse,
    change,
    overdue,
)

BOUNDS = Bounds(least=1, most=4, grow_after_s=10.0, give_back_after_s=60.0)
LONG_AGO = -1e9
NOBODY: tuple[float, ...] = ()


def _change(
    slots: list[SlotUse], waits: tuple[float, ...], now: float, short_at: float = LONG_AGO
) -> Change:
    return change(slots, overdue(waits, now, BOUNDS), short_at, now, BOUNDS)


def _slots(*uses: SlotUse) -> list[SlotUse]:
    """With those that are not wanted, up to the most."""
    return [*uses, *(SlotUse(f"slot-{n}") for n in range(len(uses), BOUNDS.most))]


def _up(number: int, idle_since: float = BUSY, *, needed: bool = False) -> SlotUse:
    return SlotUse(f"slot-{number}", True, True, idle_since, needed)


def _coming(number: int, asked_at: float = 0.0) -> SlotUse:
    return SlotUse(f"slot-{number}", True, False, asked_at)


def test_who_has_waited_too_long_gets_a_slot_more() -> None:
    slots = _slots(_up(0))
    assert _change(slots, (90.1,), 100.0) == Change()
    assert _change(slots, (90.0,), 100.0) == Change(ask=("slot-1",))


def test_a_slot_for_each_expert_that_is_waited_for_and_no_more_than_the_most() -> None:
    assert _change(_slots(_up(0)), (0.0,) * 2, 100.0).ask == ("slot-1", "slot-2")
    assert len(_change(_slots(_up(0)), (0.0,) * 9, 100.0).ask) == 3


def test_nothing_is_asked_for_while_something_is_coming_or_idle() -> None:
    assert _change(_slots(_up(0), _coming(1)), (0.0,), 100.0) == Change()
    assert _change(_slots(_up(0), _up(1, 90.0)), (0.0,), 100.0) == Change()
    assert _change(_slots(_up(0), _up(1, 90.0, needed=True)), (0.0,), 100.0).ask


def test_the_last_one_of_no_use_is_given_back_one_at_a_time() -> None:
    slots = _slots(_up(0, 20.0), _up(1, 30.0), _up(2))
    assert _change(slots, NOBODY, 100.0) == Change(give_back=("slot-1",))


def test_one_that_nobody_waits_for_any_more_goes_before_one_that_is_up() -> None:
    slots = _slots(_up(0, 0.0), _up(1), _coming(2, 30.0))
    assert _change(slots, NOBODY, 100.0).give_back == ("slot-2",)


def test_what_is_needed_or_among_the_least_stays() -> None:
    assert _change(_slots(_up(0, 0.0)), NOBODY, 1e6) == Change()
    assert _change(_slots(_up(0), _up(1, 0.0, needed=True)), NOBODY, 1e6) == Change()


def test_none_is_given_back_soon_after_somebody_had_to_wait() -> None:
    slots = _slots(_up(0), _coming(1, 0.0))
    assert _change(slots, NOBODY, 100.0, short_at=41.0) == Change()
    assert _change(slots, NOBODY, 101.0, short_at=41.0).give_back == ("slot-1",)


USES = st.builds(
    SlotUse,
    id=st.just(""),
    wanted=st.booleans(),
    up=st.booleans(),
    idle_since=st.sampled_from([0.0, 50.0, 99.0, BUSY]),
    needed=st.booleans(),
)


@given(
    st.lists(USES, min_size=1, max_size=8),
    st.lists(st.floats(0, 100), max_size=6),
    st.integers(1, 8),
    st.integers(0, 8),
)
def test_there_are_never_fewer_than_the_least_nor_more_than_the_most(
    uses: list[SlotUse], waits: list[float], least: int, more: int
) -> None:
    slots = [
        SlotUse(f"slot-{n}", u.wanted, u.wanted and u.up, u.idle_since, u.needed)
        for n, u in enumerate(uses)
    ]
    wanted = {slot.id for slot in slots if slot.wanted}
    bounds = Bounds(min(least, len(wanted)), len(wanted) + more, 10.0, 20.0)
    todo = change(slots, overdue(waits, 100.0, bounds), LONG_AGO, 100.0, bounds)
    assert not (todo.ask and todo.give_back)
    assert not wanted & {*todo.ask}
    assert {*todo.give_back} <= wanted
    after = (wanted | {*todo.ask}) - {*todo.give_back}
    assert bounds.least <= len(after) <= bounds.most
    for name in todo.give_back:
        (gone,) = (slot for slot in slots if slot.id == name)
        assert not gone.needed
        assert gone.idle_since <= 80.0


class _Pool:
    """Load that so many slots carry, each busy; others are idle; one that is asked for takes its
    time to come."""

    def __init__(self, load: int, takes_s: int, bounds: Bounds) -> None:
        self.load, self.takes_s, self.bounds = load, takes_s, bounds
        self.asked_at = dict.fromkeys(range(bounds.least), -1000.0)
        self.used_at: dict[int, float] = {}
        self.short_since: float | None = None
        self.short_at = LONG_AGO
        self.changes: list[float] = []

    def step(self, now: float) -> None:
        up = sorted(n for n, at in self.asked_at.items() if now - at >= self.takes_s)
        busy = up[: self.load]
        self.used_at |= dict.fromkeys(busy, now)
        if len(busy) < self.load:
            self.short_since = now if self.short_since is None else self.short_since
        else:
            self.short_since = None
        slots = [
            SlotUse(
                f"slot-{n}",
                n in self.asked_at,
                n in up,
                BUSY if n in busy else max(self.used_at.get(n, -math.inf), self.asked_at.get(n, 0)),
            )
            for n in range(self.bounds.most)
        ]
        waits = () if self.short_since is None else (self.short_since,)
        short = overdue(waits, now, self.bounds)
        self.short_at = now if short else self.short_at
        todo = change(slots, short, self.short_at, now, self.bounds)
        for name in todo.ask:
            self.asked_at[int(name[5:])] = now
        for name in todo.give_back:
            del self.asked_at[int(name[5:])]
        self.changes += [now] * len((*todo.ask, *todo.give_back))


@given(st.integers(0, 6), st.integers(0, 40), st.integers(1, 3), st.integers(0, 3))
def test_a_load_that_stays_the_same_leads_to_as_many_slots_as_it_needs_and_no_flapping(
    load: int, takes_s: int, least: int, more: int
) -> None:
    bounds = Bounds(least, least + more, 10.0, 60.0)
    pool = _Pool(load, takes_s, bounds)
    settled = (more + 1) * (takes_s + 12)
    for now in range(settled + 500):
        pool.step(float(now))
    assert len(pool.asked_at) == min(max(load, least), bounds.most)
    assert all(at <= settled for at in pool.changes)


@given(st.integers(1, 4), st.integers(0, 30))
def test_what_has_grown_shrinks_when_the_load_is_over(load: int, takes_s: int) -> None:
    bounds = Bounds(1, 4, 10.0, 60.0)
    pool = _Pool(load, takes_s, bounds)
    for now in range(400):
        pool.step(float(now))
    assert len(pool.asked_at) == load
    pool.load = 0
    for now in range(400, 400 + 60 + 2 * load):
        pool.step(float(now))
    assert len(pool.asked_at) == 1


@given(st.integers(11, 55), st.integers(1, 12), st.integers(20, 200))
def test_a_slot_that_is_long_in_coming_is_not_sent_away_between_two_waits(
    wait_s: int, pause_s: int, takes_s: int
) -> None:
    """One slot is enough for a moment, now and then."""
    pool = _Pool(2, takes_s, Bounds(1, 2, 10.0, 60.0))
    for now in range(takes_s + wait_s):
        pool.load = 2 if now % (wait_s + pause_s) < wait_s else 1
        pool.step(float(now))
    assert len(pool.changes) == 1
