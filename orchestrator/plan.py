"""Decision in, plan out: which expert to ask, and why. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experts.errors import RoutingError
from routers.base import Decision

NO_DELAYS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run for one request: ask `expert`, in `role` where it is a fused one.

    `preferred` is the one with the best predicted quality. Where it is another one, asking
    `expert` instead costs `quality_cost` of that quality and saves `saved_s` seconds of waiting.
    """

    expert: str
    reason: str
    preferred: str
    quality_cost: float = 0.0
    saved_s: float = 0.0
    role: str | None = None


def plan_expert(expert: str) -> Plan:
    """The plan of a request that named its expert."""
    return Plan(expert, f"The request named {expert}.", expert)


def plan_decision(
    decision: Decision, delays: Mapping[str, float] = NO_DELAYS, load_price: float = 0.0
) -> Plan:
    """Ask the expert with the best predicted quality, less what waiting for it costs.

    `delays` holds the seconds until each expert could begin (none: at once), `load_price` what
    one of them may cost in quality. Who is better by score wins a tie. Raises RoutingError without
    any score.
    """
    if not decision.scores:
        raise RoutingError(
            f"Router {decision.router} scored no expert.",
            hint="Run `coterie profile` so that its outcome table knows the experts of this pool.",
        )
    best, best_score = decision.scores[0]
    if load_price == 0.0:
        return Plan(best, decision.reason, best, role=decision.role)

    def worth(scored: tuple[str, float]) -> float:
        return scored[1] - load_price * delays.get(scored[0], 0.0)

    expert, score = max(decision.scores, key=worth)
    if expert == best:
        return Plan(best, decision.reason, best, role=decision.role)
    delay_s, best_delay_s = delays.get(expert, 0.0), delays.get(best, 0.0)
    cost = best_score - score
    lost = f"scored {cost:.2g} less than" if cost else "scored as well as"
    wait = f"would take {best_delay_s:.1f} s to load"
    if math.isinf(best_delay_s):
        wait = "can not be loaded now"
    own = f" ({expert}: {delay_s:.1f} s)" if delay_s else ""
    reason = f"{expert} {lost} {best}, which {wait}{own}. {decision.reason}".rstrip()
    return Plan(expert, reason, best, cost, best_delay_s - delay_s)
