"""Whatever clients and slots do: the budget holds, and everybody is served or told why not."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.errors import ExpertError
from orchestrator.residency.pool import Lease
from orchestrator.store.memory_store import MemoryStore

PATIENCE_S = 5.0
BUDGET_GB = 4.0
NAMES = "abcde"
COSTS = dict.fromkeys(("load_s", "wake_s", "leave_s", "service_s"), 1e-4)

# Quarters are exact in binary, so that sums are, too. What is larger than a slot fails.
GB = st.integers(1, 18).map(lambda quarters: quarters / 4)
EXPERTS = st.lists(
    st.fixed_dictionaries(
        {"memory_gb": GB, "max_in_flight": st.integers(1, 3), "max_queued": st.integers(0, 6)},
        optional={"max_idle_s": st.sampled_from([1e-4, 1e-2])},
    ),
    min_size=2,
    max_size=len(NAMES),
)
NUMBER = st.integers(0, 30)
ASK = st.tuples(st.just("ask"), st.sampled_from(NAMES), st.sampled_from(["batch", "interactive"]))
CLIENTS = st.one_of(
    ASK,
    ASK,
    ASK,
    st.tuples(st.just("release"), NUMBER),
    st.tuples(st.just("release all")),
    st.tuples(st.just("leave"), NUMBER),
    st.tuples(st.just("leave as it ends"), NUMBER),
    st.tuples(st.just("let others run"), st.integers(1, 40)),
)
LUCK = st.one_of(
    CLIENTS,
    CLIENTS,
    st.tuples(st.just("die"), NUMBER),
    st.tuples(st.just("suspect"), NUMBER, st.sampled_from([200, 503])),
    st.tuples(st.just("load fails"), NUMBER, st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("too busy"), NUMBER),
    st.tuples(st.just("answers wrong")),
)


class Crowd:
    """Clients of a rig, who do what an example says."""

    def __init__(self, rig: Any) -> None:
        self._rig = rig
        self._asked: list[asyncio.Task[Lease]] = []
        self._others: list[asyncio.Task[None]] = []
        self._held: list[Lease] = []

    async def do(self, verb: str, *how: Any) -> None:
        doing: dict[str, Callable[..., Any]] = {
            "ask": self._ask,
            "release": self._release,
            "release all": self._release_all,
            "leave": self._leave,
            "leave as it ends": self._leave_as_it_ends,
            "die": lambda n: self._slot(n).die(),
            "suspect": self._suspect,
            "load fails": self._load_fails,
            "too busy": self._too_busy,
            "answers wrong": lambda: self._rig.canary_answers.append("wrong"),
        }
        if verb in doing:
            doing[verb](*how)
        else:
            for _ in range(*how):
                await asyncio.sleep(0)
        self._collect()
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Everybody is served in the end, or knows why not."""
        async with asyncio.timeout(PATIENCE_S):
            while self._asked or self._held or self._others:
                self._collect()
                self._release_all()
                self._others = [task for task in self._others if not task.done()]
                await asyncio.sleep(0)

    def _slot(self, number: int) -> Any:
        return self._rig.slots[number % len(self._rig.slots)]

    def _ask(self, expert: str, request_class: str) -> None:
        if expert in self._rig.pool.snapshot()["queued"]:
            lease = self._rig.pool.lease(expert, request_class)
            self._asked.append(asyncio.create_task(lease))

    def _release(self, number: int) -> None:
        if self._held:
            self._held.pop(number % len(self._held)).release()

    def _release_all(self) -> None:
        while self._held:
            self._held.pop().release()

    def _leave(self, number: int) -> None:
        if self._asked:
            self._asked[number % len(self._asked)].cancel()

    def _leave_as_it_ends(self, number: int) -> None:
        """A client leaves in the very turn of the loop in which another one's request is over."""
        first = number % 2 == 0
        if first:
            self._leave(number)
        self._release(number)
        if not first:
            self._leave(number)

    def _suspect(self, number: int, health: int) -> None:
        self._rig.health = health
        if self._held:
            lease = self._held[number % len(self._held)]
            self._others.append(asyncio.create_task(self._rig.pool.suspect(lease)))

    def _load_fails(self, number: int, expert: str, memory: bool) -> None:
        words = "CUDA out of memory" if memory else "no such file"
        self._slot(number).load_errors[expert].append(RuntimeError(words))

    def _too_busy(self, number: int) -> None:
        self._slot(number).memory_errors[:] = [TimeoutError()]

    def _collect(self) -> None:
        for task in [task for task in self._asked if task.done()]:
            self._asked.remove(task)
            if task.cancelled():
                continue
            if (error := task.exception()) is None:
                self._held.append(task.result())
            elif not isinstance(error, ExpertError):
                raise error


def _check_budget(snapshot: Any) -> None:
    sizes = {name: entry["memory_gb"] for name, entry in snapshot["loads"].items()}
    for slot in snapshot["slots"]:
        # A load is entered at once, and begins when those that leave for it have left.
        leaving = any(replica["phase"] == "draining" for replica in slot["replicas"])
        held = [c for c in slot["replicas"] if not (leaving and c["phase"] == "loading")]
        assert sum(sizes[replica["engine"]] for replica in held) <= slot["budget_gb"]


async def _play(make_rig: Any, experts: Any, deeds: Any, sleeps: bool, count: int) -> None:
    named = dict(zip(NAMES, experts, strict=False))
    store = MemoryStore()
    for name in named:
        await store.put(f"costs:{name}", COSTS)
    rig = await make_rig(
        named, store=store, sleeps=sleeps, memory_gb=BUDGET_GB, count=count, retry_load_s=1e-6
    )
    for slot in rig.slots:
        slot.budget_gb = BUDGET_GB
    crowd = Crowd(rig)
    for deed in deeds:
        await crowd.do(*deed)
        _check_budget(rig.pool.snapshot())
    await crowd.end()
    await rig.settle()
    shown = rig.pool.snapshot()
    _check_budget(shown)
    assert set(shown["queued"].values()) == {0}
    replicas = [replica for slot in shown["slots"] for replica in slot["replicas"]]
    assert [
        replica for replica in replicas if replica["in_use"] or replica["phase"] == "draining"
    ] == []
    await rig.close()


@pytest.fixture(autouse=True)
def slots_come_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.residency.upkeep.supervisor.RESTART_DELAY_S", 0.0)


RANDOM = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


@RANDOM
@given(EXPERTS, st.lists(CLIENTS, min_size=30, max_size=80), st.booleans(), st.integers(1, 3))
async def test_in_good_luck_everybody_is_served(
    make_rig: Any, experts: Any, deeds: Any, sleeps: bool, count: int
) -> None:
    await _play(make_rig, experts, deeds, sleeps, count)


@RANDOM
@given(EXPERTS, st.lists(LUCK, min_size=30, max_size=80), st.booleans(), st.integers(1, 3))
async def test_in_bad_luck_everybody_is_served_or_told_why_not(
    make_rig: Any, experts: Any, deeds: Any, sleeps: bool, count: int
) -> None:
    await _play(make_rig, experts, deeds, sleeps, count)
