"""A decision becomes a plan."""

import pytest

from experts.errors import RoutingError
from orchestrator.plan import plan_decision, plan_expert
from routers.base import Decision


def test_the_best_score_is_asked() -> None:
    decision = Decision("knn", (("alpha", 0.9), ("beta", 0.2)), "alpha is good at sums.")
    plan = plan_decision(decision)
    assert (plan.expert, plan.reason) == ("alpha", "alpha is good at sums.")


def test_a_named_expert_is_asked() -> None:
    plan = plan_expert("beta")
    assert plan.expert == "beta"
    assert "beta" in plan.reason


def test_a_decision_without_scores_names_its_router() -> None:
    with pytest.raises(RoutingError, match="Router knn scored no expert"):
        plan_decision(Decision("knn", (), "nothing is known"))
