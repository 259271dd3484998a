"""The queue before a remote expert: its bounds, its order, and who gives way."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ExpertOverloaded
from orchestrator.residency.asking.gate import Gate


class Crowd:
    """Requests before one gate; what each has come to is in `states`."""

    def __init__(self, at_once: int, max_queued: int) -> None:
        self.gate = Gate("a", at_once, max_queued)
        self.states: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, unhurried: bool = False) -> str:
        self._tasks[name] = asyncio.create_task(self._enter(name, unhurried))
        await self.settle()
        return self.states[name]

    async def _enter(self, name: str, unhurried: bool) -> None:
        self.states[name] = "waits"
        try:
            await self.gate.enter(unhurried)
        except ExpertOverloaded:
            self.states[name] = "refused"
        except asyncio.CancelledError:
            self.states[name] = "gone"
        else:
            self.states[name] = "runs"

    async def leave(self) -> None:
        name = next(name for name, state in self.states.items() if state == "runs")
        self.states[name] = "done"
        self.gate.leave()
        await self.settle()

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await self.settle()

    def are(self, state: str) -> list[str]:
        return [name for name, one in self.states.items() if one == state]

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    crowd = Crowd(at_once=1, max_queued=2)
    yield crowd
    await crowd.end()


async def test_a_full_queue_refuses_and_tells_how_long_others_have_waited(crowd: Crowd) -> None:
    assert [await crowd.come(name) for name in "abcd"] == ["runs", "waits", "waits", "refused"]
    with pytest.raises(ExpertOverloaded, match="2 requests wait for expert a already") as caught:
        await crowd.gate.enter(False)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 0


async def test_those_with_an_age_bound_go_first(crowd: Crowd) -> None:
    await crowd.come("a")
    await crowd.come("batch", unhurried=True)
    await crowd.come("b")
    await crowd.leave()
    assert crowd.are("runs") == ["b"]
    await crowd.leave()
    assert crowd.are("runs") == ["batch"]


async def test_in_a_full_queue_the_last_of_a_batch_gives_way(crowd: Crowd) -> None:
    await crowd.come("a")
    await crowd.come("early", unhurried=True)
    await crowd.come("late", unhurried=True)
    assert await crowd.come("later", unhurried=True) == "refused"
    assert await crowd.come("b") == "waits"
    assert crowd.states["late"] == "refused"
    assert await crowd.come("c") == "waits"
    assert crowd.states["early"] == "refused"
    assert await crowd.come("d") == "refused"
    assert crowd.gate.queued == 2


async def test_who_leaves_in_the_moment_of_its_turn_gives_it_back(crowd: Crowd) -> None:
    await crowd.come("a")
    await crowd.come("b")
    await crowd.come("c")
    crowd.states["a"] = "done"
    crowd.gate.leave()
    await crowd.give_up("b")
    assert crowd.are("runs") == ["c"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.booleans()),
        st.tuples(st.just("leave"), st.just(False)),
        st.tuples(st.just("give up"), st.booleans()),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 3), st.integers(0, 3))
def test_whatever_happens_the_bounds_hold_and_no_place_is_lost(
    steps: list[tuple[str, bool]], at_once: int, max_queued: int
) -> None:
    async def run() -> None:
        crowd = Crowd(at_once, max_queued)
        for number, (what, flag) in enumerate(steps):
            waiting = crowd.are("waits")
            if what == "come":
                await crowd.come(f"r{number}", unhurried=flag)
            elif what == "leave" and crowd.are("runs"):
                await crowd.leave()
            elif what == "give up" and waiting:
                await crowd.give_up(waiting[-1 if flag else 0])
            runs, waits = len(crowd.are("runs")), len(crowd.are("waits"))
            assert runs <= at_once
            assert waits == crowd.gate.queued <= max_queued
            assert runs == at_once or not waits
        await crowd.end()

    asyncio.run(run())
