"""What a request announces, and that nothing of it remains."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.residency.expectations import Expectations
from orchestrator.residency.machine.state import CHOICE, FIRST
from orchestrator.residency.pool import ExpertPool

NAMES = st.sampled_from("abc")
CALLS = st.lists(NAMES, max_size=6).map(Counter)


class Told:
    """What a pool is told."""

    def __init__(self) -> None:
        self.expected: Counter[str] = Counter()

    def expect(self, expert: str, request_class: str) -> None:
        assert request_class == "batch"
        self.expected[expert] += 1

    def expect_no_more(self, expert: str, request_class: str) -> None:
        assert request_class == "batch"
        assert self.expected[expert]
        self.expected[expert] -= 1

    def choosing(self, request_class: str) -> AbstractContextManager[None]:
        assert request_class == "batch"
        return nullcontext()


def announcing() -> tuple[Told, Expectations]:
    told = Told()
    return told, Expectations(cast("ExpertPool", told), "batch")


def test_a_lead_is_expected_until_it_is_asked() -> None:
    told, request = announcing()
    with request.answering(Counter("abcb"), Counter("abc")):
        assert told.expected == Counter("b")
        assert [request.asks(name) for name in "abc"] == [FIRST] * 3
        assert told.expected == Counter("b")
        assert request.asks("b") == FIRST + 1
        assert not +told.expected


def test_rounds_are_stages() -> None:
    told, request = announcing()
    with request.answering(Counter("ababab"), Counter("ab")):
        assert [request.asks(name) for name in "abab"] == [1, 1, 2, 2]
        assert told.expected == Counter("ab")
        assert [request.asks(name) for name in "ab"] == [3, 3]


def test_a_lead_that_is_not_of_the_panel_comes_after_it() -> None:
    _, request = announcing()
    with request.answering(Counter("abz"), Counter("ab")):
        assert [request.asks(name) for name in "abz"] == [FIRST, FIRST, FIRST + 1]


def test_while_experts_are_chosen_every_call_is_for_that() -> None:
    _, request = announcing()
    with request.choosing():
        assert request.asks("a") == CHOICE
    assert request.asks("a") == FIRST


@given(CALLS, CALLS, st.lists(NAMES, max_size=12))
def test_nothing_remains_whatever_is_asked(
    most: Counter[str], at_once: Counter[str], asked: list[str]
) -> None:
    told, request = announcing()

    def answer() -> None:
        with request.answering(most, at_once):
            assert told.expected == most - at_once
            for number, name in enumerate(asked):
                assert request.asks(name) >= FIRST
                made = Counter(asked[: number + 1])
                assert +told.expected == (most - at_once) - (made - at_once)
            raise KeyError

    with pytest.raises(KeyError):
        answer()
    assert not +told.expected


# In a pool.


async def test_the_lead_is_loaded_into_the_free_slot_while_the_panel_answers(
    make_rig: Callable[..., Any],
) -> None:
    rig = await make_rig({"panel": 3, "lead": 3}, memory_gb=4, count=2)
    request = Expectations(rig.pool, "interactive")
    with request.answering(Counter(["panel", "lead"]), Counter(["panel"])):
        with await rig.lease("panel"):
            await rig.settle()
            assert sorted(rig.residents()) == [["lead"], ["panel"]]
            assert rig.engine("lead")["expected"] == 1
        request.asks("lead")
        lease = await rig.use("lead")
    assert lease.load_ms == 0.0
    assert rig.engine("lead")["expected"] == 0
    assert rig.engine("lead")["count"] == 1


async def test_without_prefetch_it_is_loaded_when_it_is_asked(make_rig: Callable[..., Any]) -> None:
    rig = await make_rig({"panel": 3, "lead": 3}, memory_gb=4, count=2, prefetch=False)
    with Expectations(rig.pool, "interactive").answering(Counter(["lead"]), Counter()):
        await rig.use("panel")
        await rig.settle()
        assert sorted(rig.residents()) == [[], ["panel"]]


async def test_while_a_batch_is_tagged_its_panels_gather(make_rig: Callable[..., Any]) -> None:
    # Scripted loads take so little that patience would end at once.
    tagger = {"memory_gb": 2, "pin": True}
    rig = await make_rig({"tagger": tagger, "first": 2, "second": 2}, memory_gb=4, stage_loads=1e9)
    await rig.use("first", "batch")
    with Expectations(rig.pool, "batch").choosing(), await rig.lease("tagger", "batch"):
        waiting = [rig.using("second", "batch") for _ in range(5)]
        await rig.settle()
        assert rig.slot.unloads == []
    for one in waiting:
        await rig.done(one)
    assert rig.slot.unloads == ["first"]


async def test_interactive_requests_keep_nobody_waiting_while_they_choose(
    make_rig: Callable[..., Any],
) -> None:
    # Scripted loads take so little that patience would end at once.
    tagger = {"memory_gb": 2, "pin": True}
    rig = await make_rig({"tagger": tagger, "first": 2, "second": 2}, memory_gb=4, stage_loads=1e9)
    await rig.use("first", "batch")
    with Expectations(rig.pool, "interactive").choosing(), await rig.lease("tagger"):
        for one in [rig.using("second", "batch") for _ in range(5)]:
            await rig.done(one)
        assert rig.slot.unloads == ["first"]


async def test_experts_that_no_slot_runs_are_announced_to_nobody(
    make_rig: Callable[..., Any],
) -> None:
    remote = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "far"}
    rig = await make_rig({"own": 2, "far": remote}, memory_gb=4)
    with Expectations(rig.pool, "batch").answering(Counter(["far", "own"]), Counter()):
        assert rig.engine("own")["expected"] == 1
    assert rig.engine("own")["expected"] == 0
