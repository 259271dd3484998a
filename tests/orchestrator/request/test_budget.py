"""What the answer of a panel may spend: tokens that are set aside, and tokens that arrive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.types import Request
from orchestrator.config.budget import BudgetConfig
from orchestrator.request.budget import Ledger
from routers.base import Decision

LIMITS = st.one_of(st.none(), st.integers(1, 60))


def request(limit: int | None) -> Request:
    return Request(id="r", operation="chat/completions", body={"messages": [], "max_tokens": limit})


@given(st.integers(1, 100), st.lists(LIMITS, max_size=8), st.data())
def test_what_is_set_aside_never_exceeds_what_is_left(
    most: int, limits: list[int | None], data: st.DataObject
) -> None:
    ledger = Ledger(BudgetConfig(tokens=most), 0.0)
    held: list[int] = []
    for limit in limits:
        taken = ledger.set_aside(request(limit))
        assert taken in (0, limit or 0)
        assert taken or not limit or limit > most - ledger.tokens - sum(held)
        held.append(taken)
        assert ledger.tokens + sum(held) <= most
        if data.draw(st.booleans()):
            spent = held.pop(data.draw(st.integers(0, len(held) - 1)))
            ledger.put_back(spent)
            ledger.counted(0, data.draw(st.integers(0, spent)))
    for one in held:
        ledger.put_back(one)
    assert ledger.set_aside(request(most - ledger.tokens)) == most - ledger.tokens


def test_of_two_limits_the_lower_one_counts() -> None:
    ledger = Ledger(BudgetConfig(tokens=10), 0.0)
    both = {"max_tokens": 50, "max_completion_tokens": 4}
    asked = Request(id="r", operation="chat/completions", body=both)
    assert ledger.set_aside(asked) == 4


class Ordered:
    """The experts in their order."""

    name = "ordered"

    def route(self, requests: Any) -> list[Decision]:
        scores = (("one", 0.9), ("two", 0.8), ("three", 0.7))
        return [Decision("one", scores, "In order.") for _ in requests]


@pytest.fixture(scope="module")
async def panel(serve: Any, upstream: Any) -> Any:
    experts = {
        name: {"type": "openai", "base_url": upstream.base_url, "model": name, "about": name}
        for name in ("one", "two", "three")
    }
    vote = {"router": "ordered", "aggregator": "vote"}
    return await serve(experts, routers={"ordered": Ordered()}, compositions={"pool/vote": vote})


async def test_members_are_asked_for_whole_answers_where_nothing_must_stop_them(
    panel: Any, upstream: Any
) -> None:
    async def ways(**fields: Any) -> tuple[list[bool], Any]:
        before = len(upstream.bodies)
        answer = await panel.chat("one: say yes\ntwo: say no\nthree: say no", "pool/vote", **fields)
        tree = answer.json()
        assert tree["choices"][0]["message"]["content"] == "no"
        streamed = sorted(bool(body.get("stream")) for body in upstream.bodies[before:])
        return streamed, tree["coterie"]["usage"]

    whole, counted = await ways(max_tokens=20)
    assert whole == [False] * 3
    streamed, again = await ways()
    assert streamed == [True] * 3, "without a limit of its own, a budget must be able to end it"
    assert counted == again, "the same tokens are counted"
    tight, _ = await ways(max_tokens=20, coterie={"budget": {"tokens": 50}})
    assert tight == [False, False, True], "two may spend 40 of 50 tokens, a third is watched"
