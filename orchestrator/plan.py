"""Decision in, plan out: which expert to ask, and why. Pure."""

from dataclasses import dataclass

from experts.errors import RoutingError
from routers.base import Decision


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run for one request: ask `expert`."""

    expert: str
    reason: str


def plan_expert(expert: str) -> Plan:
    """The plan of a request that named its expert."""
    return Plan(expert, f"The request named {expert}.")


def plan_decision(decision: Decision) -> Plan:
    """Ask the expert with the best predicted quality. Raises RoutingError without any score."""
    if not decision.scores:
        raise RoutingError(
            f"Router {decision.router} scored no expert.",
            hint="Run `coterie profile` so that its outcome table knows the experts of this pool.",
        )
    return Plan(decision.scores[0][0], decision.reason)
