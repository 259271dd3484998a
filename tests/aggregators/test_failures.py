"""What is raised where no expert answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ask import ScriptedAsk
from scripted_pieces import calls, lost, refused, spent

from aggregators.failures import all_failed_error
from aggregators.gather import gather
from experts.errors import (
    AllBusy,
    BudgetSpent,
    ExpertError,
    ExpertLost,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    NobodyAnswered,
)

STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503)


class TestNobody:
    async def test_every_reason_is_named(self) -> None:
        ask = ScriptedAsk(
            {"one": lost("one"), "two": ExpertLost("gone", expert="two"), "three": ""}
        )
        with pytest.raises(NobodyAnswered) as raised:
            await gather(calls("one", "two", "three"), ask)
        for reason in ("one is lost.", "two: gone", "three said nothing."):
            assert raised.value.message.count(reason) == 1

    async def test_reasons_stand_in_the_order_of_the_calls(self) -> None:
        names = [f"expert{number}" for number in range(12)]
        ask = ScriptedAsk({name: lost(name) for name in names})
        with pytest.raises(NobodyAnswered) as raised:
            await gather(calls(*names), ask)
        reasons = [f"{name} is lost." for name in names]
        assert raised.value.message == " ".join(["No expert answered.", *reasons])
        assert raised.value.expert == "expert0"
        assert ask.facts["failed"] == reasons

    async def test_a_request_that_all_refuse_is_the_callers_mistake(self) -> None:
        ask = ScriptedAsk({"one": refused("one", 400), "two": refused("two", 422)})
        with pytest.raises(ExpertRefused) as raised:
            await gather(calls("one", "two"), ask)
        assert raised.value.status in (400, 422)

    @given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=5))
    def test_only_what_is_wrong_at_any_time_is(self, statuses: list[int]) -> None:
        names = [f"expert{number}" for number in range(len(statuses))]
        error = all_failed_error(
            [refused(name, status) for name, status in zip(names, statuses, strict=True)]
        )
        told = error.status if isinstance(error, ExpertRefused) else None
        if set(statuses) <= {400, 413, 422} or set(statuses) == {429}:
            assert (told, error.expert) == (statuses[0], "expert0")
        elif set(statuses) <= {429, 503}:
            assert isinstance(error, AllBusy)
        else:
            assert isinstance(error, NobodyAnswered)
            assert all(name in error.message for name in names)

    @given(
        st.lists(
            st.tuples(st.sampled_from([429, 503]), st.none() | st.floats(0, 500)),
            min_size=1,
            max_size=5,
        )
    )
    def test_who_has_no_room_says_when_the_first_may_have(
        self, told: list[tuple[int, float | None]]
    ) -> None:
        error = all_failed_error(
            [
                ExpertRefused("slow", expert="one", status=status, body={}, retry_after_s=wait_s)
                for status, wait_s in told
            ]
        )
        limited = {status for status, _ in told} == {429}
        assert isinstance(error, ExpertRefused if limited else AllBusy)
        waits_s = [wait_s for _, wait_s in told if wait_s is not None]
        assert error.retry_after_s == min(waits_s, default=None)

    @pytest.mark.parametrize(
        "other",
        [
            ExpertPaused("It failed.", expert="two", retry_after_s=3.0),
            ExpertOverloaded("Full.", expert="two", retry_after_s=3.0),
        ],
    )
    def test_who_is_not_asked_for_a_moment_is_busy_too(self, other: ExpertError) -> None:
        error = all_failed_error([refused("one", 503), other])
        assert isinstance(error, AllBusy)
        assert error.retry_after_s == 3.0

    @pytest.mark.parametrize("other", [lost("two"), refused("two", 503)])
    async def test_a_refusal_beside_another_failure_is_not(self, other: ExpertError) -> None:
        ask = ScriptedAsk({"one": refused("one", 400), "two": other})
        with pytest.raises(NobodyAnswered, match=r"one refuses.*two|two.*one refuses"):
            await gather(calls("one", "two"), ask)

    async def test_a_budget_that_stops_all_is_named_as_such(self) -> None:
        ask = ScriptedAsk({"one": spent("one"), "two": spent("two")})
        with pytest.raises(BudgetSpent):
            await gather(calls("one", "two"), ask)

    def test_a_budget_that_stops_one_is_one_reason_of_many(self) -> None:
        raised = all_failed_error([spent("one"), lost("two")])
        assert isinstance(raised, NobodyAnswered)
        assert "one: The budget is spent. two is lost." in raised.message
