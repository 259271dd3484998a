"""What every weight of quality against price would choose. Pure."""

from collections.abc import Callable, Sequence

from orchestrator.request.plan import AskExpert, Plan
from orchestrator.server.bodies.console.playground import Choice

STEPS = 100
"""Weights are told to the hundredth, as people write them."""


def choices(plan_at: Callable[[float], Plan]) -> list[Choice]:
    """The ranges of `quality_weight` in which one expert is chosen, from the price's side."""
    found: list[Choice] = []
    for step in range(1, STEPS + 1):
        weight = step / STEPS
        expert = plan_at(weight).expert
        if expert is None:
            return []
        if found and found[-1]["expert"] == expert:
            found[-1]["to_weight"] = weight
        else:
            found.append({"expert": expert, "from_weight": weight, "to_weight": weight})
    return found


def chooses_by_price(plans: Sequence[Plan]) -> bool:
    """Whether a price decides anything here: one expert is asked, and no guard has spoken."""
    return all(isinstance(plan.action, AskExpert) for plan in plans)
