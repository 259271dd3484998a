"""Engines take turns, loads stop them, and requests that come together start together."""

import asyncio
import math
import threading

import pytest

from experts.vllm.turns.stepper import ARRIVAL, GATHERS, WELCOME_S, Stepper

PATIENCE_S = 5.0
NEVER_S = 3600.0


class Core:
    """An engine core that notes the requests of every step; each request takes one step."""

    hurried = True

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.steps: list[list[str]] = []
        self.stepped = asyncio.Event()

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    @property
    def requests(self) -> frozenset[str]:
        return frozenset(self.waiting)

    def step(self) -> None:
        if self.waiting:
            self.steps.append(self.waiting)
            self.waiting = []
            self.stepped.set()

    async def next_step(self) -> list[str]:
        await asyncio.wait_for(self.stepped.wait(), PATIENCE_S)
        self.stepped.clear()
        return self.steps[-1]


class Clock:
    """Seconds that only steps take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TimedCore:
    """An engine core with work for some steps, each of which takes its time on a clock."""

    def __init__(self, name: str, clock: Clock, step_s: float, steps: int, log: list[str]) -> None:
        self.name, self.clock, self.step_s, self.left, self.log = name, clock, step_s, steps, log
        self.over = asyncio.Event()
        self.hurried = False
        self.requests: frozenset[str] = frozenset({name})

    @property
    def busy(self) -> bool:
        return self.left > 0

    def step(self) -> None:
        if not self.left:
            return
        self.left -= 1
        self.clock.now += self.step_s
        self.log.append(self.name)
        if not self.left:
            self.requests = frozenset()
            self.over.set()


async def _run(*cores: TimedCore) -> None:
    stepper = Stepper(NEVER_S, cores[0].clock)
    for core in cores:
        stepper.add(core)
    stepper.wake()
    await asyncio.wait_for(asyncio.gather(*(core.over.wait() for core in cores)), PATIENCE_S)


async def test_short_steps_have_time_to_themselves_between_long_ones() -> None:
    clock, log = Clock(), []
    slow = TimedCore("slow", clock, 0.1, 4, log)
    await _run(slow, TimedCore("quick", clock, 0.01, 20, log))
    between = "".join(name[0] for name in log).split("s")
    # Half of 100 ms, in steps of 10 ms; what remains when the quick one is done goes on alone.
    assert [len(steps) for steps in between[2:4]] == [5, 5]
    assert slow.left == 0


async def test_engines_with_long_steps_take_turns() -> None:
    clock, log = Clock(), []
    await _run(TimedCore("a", clock, 0.1, 4, log), TimedCore("b", clock, 0.1, 4, log))
    assert "".join(log).endswith("ababab") or "".join(log).endswith("bababa")


async def test_what_an_engine_worked_is_counted_for_it_alone() -> None:
    clock, log = Clock(), list[str]()
    one, two = (TimedCore(name, clock, step_s, 3, log) for name, step_s in (("a", 1), ("b", 0.01)))
    stepper = Stepper(NEVER_S, clock)
    for core in (one, two):
        stepper.add(core)
    stepper.wake()
    await asyncio.gather(one.over.wait(), two.over.wait())
    assert stepper.steps(one)
    assert (stepper.worked_s(one), stepper.worked_s(two)) == pytest.approx((3, 0.03))
    stepper.remove(one)
    assert not stepper.steps(one)


async def _order(stepper: Stepper, *cores: TimedCore) -> str:
    """Who steps, by name, until all are done."""
    for core in cores:
        if not stepper.steps(core):
            stepper.add(core)
    stepper.wake()
    await asyncio.wait_for(asyncio.gather(*(core.over.wait() for core in cores)), PATIENCE_S)
    return "".join(cores[0].log)


def _three(clock: Clock) -> tuple[TimedCore, TimedCore, TimedCore]:
    """Of which somebody waits for b only."""
    log = list[str]()
    a, b, c = (TimedCore(name, clock, 0.001, 3, log) for name in "abc")
    b.hurried = True
    return a, b, c


async def test_one_that_leaves_is_done_before_what_may_come_later() -> None:
    clock = Clock()
    stepper, (a, b, c) = Stepper(NEVER_S, clock), _three(clock)
    stepper.add(c)
    stepper.hasten(c)
    assert await _order(stepper, a, b, c) == "cbcbcbaaa"


async def test_it_is_first_with_the_requests_that_it_had() -> None:
    clock = Clock()
    stepper, (a, b, c) = Stepper(NEVER_S, clock), _three(clock)
    stepper.add(c)
    stepper.hasten(c)
    c.requests = frozenset({"later"})
    assert await _order(stepper, a, b, c) == "cabcabcab"


async def test_one_that_has_come_answers_once_before_what_may_come_later() -> None:
    clock = Clock()
    stepper, (a, b, c) = Stepper(NEVER_S, clock), _three(clock)
    c.hurried, b.left = True, 0
    stepper.add(c)
    stepper.welcome(c)
    assert await _order(stepper, a, c) == "cccaaa"
    a.left = c.left = 2
    a.over.clear()
    c.over.clear()
    assert await _order(stepper, a, c) == "cccaaacaca"


async def test_nor_do_they_wait_for_one_that_nobody_asks() -> None:
    clock = Clock()
    stepper, (a, _, c) = Stepper(NEVER_S, clock), _three(clock)
    c.left, c.requests = 0, frozenset()
    stepper.add(c)
    stepper.welcome(c)
    clock.now += WELCOME_S
    assert await _order(stepper, a) == "aaa"


class Reporting(TimedCore):
    """One that is busy until it has reported its end, for which nobody waits."""

    reported = False

    @property
    def busy(self) -> bool:
        return not self.reported

    def step(self) -> None:
        self.reported = not self.left
        super().step()
        self.hurried = bool(self.left)


async def test_nor_for_one_that_has_answered_and_reports_its_end_later() -> None:
    clock = Clock()
    stepper, (a, _, _) = Stepper(NEVER_S, clock), _three(clock)
    new = Reporting("n", clock, 0.001, 2, a.log)
    new.hurried = True
    stepper.add(new)
    stepper.welcome(new)
    assert await _order(stepper, a, new) == "nnaaa"


async def test_one_that_comes_answers_though_its_first_request_may_wait() -> None:
    clock = Clock()
    stepper, (a, _, c) = Stepper(NEVER_S, clock), _three(clock)
    stepper.add(c)
    stepper.welcome(c)
    assert await _order(stepper, a, c) == "cccaaa"


def _stepper(core: Core, gather_s: float = NEVER_S) -> Stepper:
    stepper = Stepper(gather_s)
    stepper.add(core)
    return stepper


async def test_a_request_that_is_on_its_way_is_waited_for() -> None:
    core = Core()
    stepper = _stepper(core)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert core.steps == []
        await stepper.call(lambda: core.waiting.append("second"))
    assert await core.next_step() == ["first", "second"]


async def test_the_wait_ends_when_the_request_has_reached_its_engine() -> None:
    core = Core()
    stepper = _stepper(core)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        arrival = ARRIVAL.get()
        assert arrival is not None
        arrival.over()
        assert await core.next_step() == ["first"]


async def test_the_wait_has_an_end() -> None:
    core = Core()
    stepper = _stepper(core, gather_s=0.001)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        assert await core.next_step() == ["first"]


class Unhurried(Core):
    """One for whose requests nobody waits, until it was asked so many times whether somebody does.

    `asked` counts that.
    """

    def __init__(self, until: float = math.inf) -> None:
        super().__init__()
        self.until, self.asked = until, 0

    @property
    def hurried(self) -> bool:
        self.asked += 1
        return self.asked > self.until


async def test_the_wait_is_longer_where_nobody_waits_for_an_answer() -> None:
    core = Unhurried()
    stepper = _stepper(core, gather_s=0.001)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        assert await core.next_step() == ["first"]
    assert core.asked == GATHERS - 1


async def test_and_not_when_somebody_does() -> None:
    core = Unhurried(until=2)
    stepper = _stepper(core, gather_s=0.001)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        assert await core.next_step() == ["first"]
    assert core.asked == 3


async def test_nor_when_somebody_waits_for_it_to_leave() -> None:
    core = Unhurried()
    stepper = _stepper(core, gather_s=0.001)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        stepper.hasten(core)
        assert await core.next_step() == ["first"]
    assert core.asked == 0


async def test_the_long_wait_ends_with_the_last_arrival() -> None:
    core = Unhurried()
    stepper = _stepper(core, gather_s=0.05)
    with stepper.expect():
        await stepper.call(lambda: core.waiting.append("first"))
        while not core.asked:
            await asyncio.sleep(0)
        await stepper.call(lambda: core.waiting.append("second"))
    assert await core.next_step() == ["first", "second"]
    assert core.asked < GATHERS - 1


async def test_nobody_on_the_way_nothing_to_wait_for() -> None:
    core = Core()
    stepper = _stepper(core)
    with stepper.expect():
        pass
    await stepper.call(lambda: core.waiting.append("only"))
    assert await core.next_step() == ["only"]


async def test_no_engine_steps_during_a_load() -> None:
    core = Core()
    stepper = _stepper(core)
    loop = asyncio.get_running_loop()
    load_may_end = asyncio.Event()
    core.waiting.append("early")

    def load() -> None:
        waiting = asyncio.run_coroutine_threadsafe(load_may_end.wait(), loop)
        waiting.result(PATIENCE_S)

    loading = asyncio.create_task(stepper.submit(load))
    await asyncio.sleep(0)
    stepper.wake()
    await asyncio.sleep(0)
    assert core.steps == []
    load_may_end.set()
    await loading
    assert await core.next_step() == ["early"]


async def test_a_load_that_gives_way_lets_others_begin_and_step() -> None:
    core, order = Core(), []
    stepper = _stepper(core)
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def load() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(PATIENCE_S)
        stepper.give_way()
        order.append(list(core.steps))

    loading = asyncio.create_task(stepper.submit(load))
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    calling = asyncio.create_task(stepper.call(lambda: core.waiting.append("only")))
    await asyncio.sleep(0)
    assert core.waiting == []
    go_on.set()
    await asyncio.wait_for(calling, PATIENCE_S)
    await asyncio.wait_for(loading, PATIENCE_S)
    assert order == [[["only"]]]


async def test_nor_does_a_load_give_way_to_what_may_come_later() -> None:
    core = Core()
    core.waiting, core.hurried = ["of a batch"], False
    stepper = _stepper(core)
    steps: list[list[list[str]]] = []

    def load() -> None:
        stepper.give_way()
        steps.append(list(core.steps))

    await asyncio.wait_for(stepper.submit(load), PATIENCE_S)
    assert steps == [[]]
    assert await core.next_step() == ["of a batch"]


async def test_what_came_during_a_load_begins_when_it_is_over() -> None:
    core = Core()
    stepper = _stepper(core)
    go_on = threading.Event()
    loading = asyncio.create_task(stepper.submit(lambda: go_on.wait(PATIENCE_S)))
    await asyncio.sleep(0)
    calling = asyncio.create_task(stepper.call(lambda: core.waiting.append("only")))
    failing = asyncio.create_task(stepper.call(lambda: {}["nothing"]))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(asyncio.gather(loading, calling), PATIENCE_S)
    assert await core.next_step() == ["only"]
    with pytest.raises(KeyError):
        await failing


async def test_nobody_to_give_way_to() -> None:
    stepper = _stepper(Core())
    await asyncio.wait_for(stepper.submit(stepper.give_way), PATIENCE_S)
