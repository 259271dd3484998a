"""A decision becomes a plan."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import RoutingError
from orchestrator.request.plan import (
    Abstain,
    AskExpert,
    AskPanel,
    AskSecondOpinion,
    PanelRules,
    Tradeoff,
    plan_decision,
    plan_expert,
)
from routers.base import Decision

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)
DELAYS = st.lists(st.one_of(st.just(0.0), st.floats(0, 1e4), st.just(math.inf)), max_size=8)
LOAD_PRICES = st.one_of(st.just(0.0), st.floats(1e-6, 1e3))


def test_the_best_score_is_asked() -> None:
    decision = Decision("knn", (("alpha", 0.9), ("beta", 0.2)), "alpha is good at sums.")
    plan = plan_decision(decision)
    assert (plan.expert, plan.reason) == ("alpha", "alpha is good at sums.")
    assert (plan.preferred, plan.quality_cost, plan.saved_s) == ("alpha", 0.0, 0.0)


def test_a_named_expert_is_asked() -> None:
    plan = plan_expert("beta")
    assert (plan.expert, plan.preferred) == ("beta", "beta")
    assert "beta" in plan.reason


def test_a_decision_without_scores_names_its_router() -> None:
    with pytest.raises(RoutingError, match="Router knn scored no expert"):
        plan_decision(Decision("knn", (), "nothing is known"))


CIPHER = Decision("knn", (("cipher", 0.92), ("strings", 0.90), ("units", 0.1)), "It is a riddle.")


def test_a_load_that_costs_more_than_it_brings_is_avoided() -> None:
    plan = plan_decision(CIPHER, Tradeoff(load_price=0.1), {"cipher": 0.6})
    assert (plan.expert, plan.preferred) == ("strings", "cipher")
    assert plan.quality_cost == pytest.approx(0.02)
    assert plan.saved_s == pytest.approx(0.6)
    assert plan.reason == (
        "strings scored 0.02 less than cipher, which would take 0.6 s to load. It is a riddle."
    )


def test_a_load_that_brings_more_than_it_costs_is_waited_for() -> None:
    plan = plan_decision(CIPHER, Tradeoff(load_price=0.03), {"cipher": 0.6})
    assert (plan.expert, plan.reason) == ("cipher", "It is a riddle.")


def test_without_a_price_delays_do_not_count() -> None:
    assert plan_decision(CIPHER, Tradeoff(load_price=0.0), {"cipher": 1e9}) == plan_decision(CIPHER)


def test_the_chosen_one_may_have_to_be_loaded_too() -> None:
    plan = plan_decision(
        CIPHER, Tradeoff(load_price=0.1), {"cipher": 3.0, "strings": 1.0, "units": 1.0}
    )
    assert plan.expert == "strings"
    assert plan.saved_s == pytest.approx(2.0)
    assert "which would take 3.0 s to load (strings: 1.0 s)." in plan.reason


def test_an_equal_score_costs_nothing() -> None:
    decision = Decision("knn", (("a", 0.5), ("b", 0.5)), "Both.")
    plan = plan_decision(decision, Tradeoff(load_price=0.1), {"a": 1.0})
    assert plan.quality_cost == 0.0
    assert plan.reason.startswith("b scored as well as a, which would take 1.0 s to load.")


def test_who_can_not_be_loaded_is_said() -> None:
    plan = plan_decision(CIPHER, Tradeoff(load_price=0.1), {"cipher": math.inf})
    assert plan.expert == "strings"
    assert "cipher, which cannot be loaded now." in plan.reason


@given(SCORES, DELAYS, LOAD_PRICES)
def test_nobody_else_is_worth_more(scores: list[float], delays: list[float], price: float) -> None:
    scored = tuple((f"e{n}", s) for n, s in enumerate(sorted(scores, reverse=True)))
    waits = {f"e{n}": delay for n, delay in enumerate(delays)}

    def worth(expert: str) -> float:
        # Not price * delay: 0 * infinity is no number, and a price of 0 means that none counts.
        return dict(scored)[expert] - (price * waits.get(expert, 0.0) if price else 0.0)

    plan = plan_decision(Decision("knn", scored, ""), Tradeoff(load_price=price), waits)
    assert plan.expert is not None
    assert all(worth(plan.expert) >= worth(expert) for expert, _ in scored)
    assert plan.preferred == "e0"
    assert plan.quality_cost >= 0.0
    assert plan.expert == "e0" or plan.saved_s > 0.0


PRICES = {"cipher": 4.0, "strings": 1.0, "units": 1.0}


def test_a_price_counts_by_what_quality_leaves() -> None:
    cheap = plan_decision(CIPHER, Tradeoff(quality_weight=0.9), prices=PRICES)
    assert (cheap.expert, cheap.preferred) == ("strings", "cipher")
    assert (
        cheap.reason
        == "strings scored 0.02 less than cipher, which costs 4 and not 1. It is a riddle."
    )
    assert cheap.saved_s == 0.0
    dear = plan_decision(CIPHER, Tradeoff(quality_weight=0.99), prices=PRICES)
    assert dear.expert == "cipher"


def test_where_nothing_has_a_price_quality_decides() -> None:
    assert plan_decision(CIPHER, Tradeoff(quality_weight=0.01)).expert == "cipher"


def test_after_an_alarm_the_price_does_not_count() -> None:
    alarmed = replace(CIPHER, fallback="general")
    assert plan_decision(alarmed, Tradeoff(quality_weight=0.01), prices=PRICES).expert == "cipher"


@given(SCORES, st.floats(0.01, 1), st.lists(st.floats(0, 1e3), min_size=8, max_size=8))
def test_a_lower_weight_never_costs_more(
    scores: list[float], weight: float, costs: list[float]
) -> None:
    scored = tuple((f"e{n}", s) for n, s in enumerate(sorted(scores, reverse=True)))
    prices = {f"e{n}": cost for n, cost in enumerate(costs)}
    decision = Decision("knn", scored, "")
    high, low = (
        plan_decision(decision, Tradeoff(quality_weight=w), prices=prices)
        for w in (weight, weight / 2)
    )
    assert low.expert is not None
    assert high.expert is not None
    assert prices[low.expert] <= prices[high.expert]


def test_plans_are_data() -> None:
    alarmed = replace(CIPHER, fallback="second", general="units", message="Nobody knows.")
    plans = [
        plan_expert("a"),
        plan_decision(CIPHER),
        plan_decision(CIPHER, rules=PanelRules("vote", 2)),
        plan_decision(alarmed),
        plan_decision(replace(alarmed, fallback="abstain")),
    ]
    kinds = [AskExpert, AskExpert, AskPanel, AskSecondOpinion, Abstain]
    assert [type(plan.action) for plan in plans] == kinds
    assert [plan.expert for plan in plans] == ["a", "cipher", "cipher", "cipher", None]
    assert [plan.aggregator for plan in plans] == [None, None, "vote", "second opinion", None]
    for plan in plans:
        assert " at 0x" not in repr(plan)  # No live object in it.
    again = plan_decision(CIPHER, rules=PanelRules("vote", 2))
    assert again == plans[2]


def test_a_panel_is_who_was_named_or_recruited_or_the_best() -> None:
    recruited = replace(CIPHER, panel=("units", "units"))
    rules = PanelRules("vote", 2)

    def panel(decision: Decision, rules: PanelRules) -> tuple[str, ...]:
        found = plan_decision(decision, rules=rules).panel
        assert found is not None
        return found.experts

    assert panel(CIPHER, rules) == ("cipher", "strings")
    assert panel(recruited, rules) == ("units", "units")
    assert panel(recruited, replace(rules, recruits=False)) == ("cipher", "strings")
    assert panel(recruited, replace(rules, named=("strings",))) == ("strings",)


LOST = "expert_unavailable"
ALL = dict.fromkeys(("cipher", "strings", "units"), LOST)


def test_an_expert_that_failed_to_load_is_left_out_and_the_reason_says_so() -> None:
    plan = plan_decision(replace(CIPHER, role="draft"), failed={"cipher": LOST})
    assert plan.action == AskExpert("strings")  # The role was cipher's.
    assert (plan.preferred, plan.quality_cost) == ("cipher", pytest.approx(0.02))
    assert plan.reason == "cipher could not be loaded and is left out. It is a riddle."


def test_a_worse_expert_that_failed_changes_nothing() -> None:
    assert plan_decision(CIPHER, failed={"units": LOST}) == plan_decision(CIPHER)


def test_the_next_best_takes_the_seat_of_one_that_failed() -> None:
    plan = plan_decision(CIPHER, rules=PanelRules("vote", 2), failed={"cipher": LOST})
    assert plan.panel is not None
    assert plan.panel.experts == ("strings", "units")
    assert plan.reason.startswith("cipher could not be loaded and is left out.")


def test_recruited_experts_and_a_lead_that_failed_are_left_out() -> None:
    decision = replace(CIPHER, panel=("cipher", "units", "cipher"), lead="cipher")
    plan = plan_decision(decision, rules=PanelRules("vote", 2), failed={"cipher": LOST})
    assert plan.panel is not None
    assert (plan.panel.experts, plan.panel.lead) == (("units",), None)


@pytest.mark.parametrize(
    ("failed", "asked"), [({"cipher": LOST}, ("units",)), (ALL, ("cipher", "units"))]
)
def test_of_a_clients_list_those_that_failed_are_left_out(
    failed: dict[str, str], asked: object
) -> None:
    rules = PanelRules("vote", 2, named=("cipher", "units"))
    plan = plan_decision(CIPHER, rules=rules, failed=failed)
    assert plan.panel is not None
    assert plan.panel.experts == asked
    assert ("cipher could not be loaded" in plan.reason) == (failed != ALL)


@given(SCORES, st.sets(st.integers(0, 7)), st.sampled_from([None, PanelRules("vote", 3)]))
def test_nobody_that_failed_is_asked_while_another_can_answer(
    scores: list[float], lost: set[int], rules: PanelRules | None
) -> None:
    ranked = tuple((f"e{n}", s) for n, s in enumerate(sorted(scores, reverse=True)))
    failed = {f"e{n}": LOST for n in lost}
    plan = plan_decision(Decision("knn", ranked, "why"), rules=rules, failed=failed)
    asked = set(plan.panel.experts if plan.panel else [plan.expert])
    if failed.keys() >= {name for name, _ in ranked}:
        assert plan == plan_decision(Decision("knn", ranked, "why"), rules=rules)
    else:
        assert not asked & failed.keys()
