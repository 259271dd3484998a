"""The ranges of weights, whatever the scores and prices are."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.request.plan import Plan, Tradeoff, plan_decision
from orchestrator.server.playground.weights import STEPS, choices
from routers.base import Decision

NAMES = ("a", "b", "c")
NUMBERS = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@given(scores=NUMBERS, prices=NUMBERS)
def test_the_ranges_join_and_each_holds_what_a_plan_there_chooses(
    scores: list[float], prices: list[float]
) -> None:
    ranked = sorted(zip(NAMES, scores, strict=True), key=lambda pair: -pair[1])
    decision = Decision("r", tuple(ranked), "why")
    costs = dict(zip(NAMES, prices, strict=True))

    def plan_at(weight: float) -> Plan:
        return plan_decision(decision, Tradeoff(weight), prices=costs)

    found = choices(plan_at)
    steps = [round(STEPS * one[end]) for one in found for end in ("from_weight", "to_weight")]
    assert steps[0] == 1
    assert steps[-1] == STEPS
    assert all(after == before + 1 for before, after in zip(steps[1::2], steps[2::2], strict=False))
    for one in found:
        assert plan_at(one["from_weight"]).expert == plan_at(one["to_weight"]).expert
        assert plan_at(one["from_weight"]).expert == one["expert"]
