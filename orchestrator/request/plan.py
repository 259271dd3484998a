"""Decision in, plan out: which expert to ask, and why. Pure."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aggregators.base import Aggregator, Panel
from aggregators.second_opinion import SecondOpinion
from experts.errors import RoutingError
from orchestrator.config.model import CompositionConfig, Config
from routers.base import Decision

NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Policy:
    """What else counts beside predicted quality."""

    quality_weight: float = 1.0
    """1: quality alone. Below, the rest of it is the weight of the price, as share of the dearest
    expert's."""
    load_price: float = 0.0
    """Quality that one second of waiting for a load may cost."""


QUALITY_ALONE = Policy()
SECOND = "second opinion"


@dataclass(frozen=True, slots=True)
class Together:
    """What makes one answer of several."""

    name: str
    """Of the aggregator."""
    aggregator: Aggregator
    experts: int
    """How many answer, where the router recruits nobody itself."""
    recruits: bool = True
    """Whether those count whom the router recruits."""
    named: tuple[str, ...] = ()
    """Who answers, whatever the router says, where anybody is named."""


def policy_of(composition: CompositionConfig) -> Policy:
    """What a composition's keys say."""
    return Policy(composition.quality_weight, composition.load_price)


def prices_of(config: Config) -> dict[str, float]:
    """What a million tokens of each expert cost, in USD."""
    return {name: spec.price_usd_per_mtok for name, spec in config.experts.items()}


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
    abstains: str = ""
    """What is said instead of an answer; nobody is asked then, and `expert` is empty."""
    panel: Panel | None = None
    """Experts that answer together, by the `aggregator`."""
    aggregator: Aggregator | None = None
    together: str = ""
    """The aggregator's name."""


def plan_expert(expert: str) -> Plan:
    """The plan of a request that named its expert."""
    return Plan(expert, f"The request named {expert}.", expert)


def plan_decision(
    decision: Decision,
    policy: Policy = QUALITY_ALONE,
    delays: Mapping[str, float] = NOTHING,
    prices: Mapping[str, float] = NOTHING,
    together: Together | None = None,
) -> Plan:
    """Ask the expert with the best predicted quality, less its price and what waiting costs.

    `delays` holds the seconds until each expert could begin (none: at once), `prices` what each
    costs, in any unit. Who is better by score wins a tie. After an alarm of the router's guard,
    the first expert is asked, whatever it costs. With `together`, those whom the router recruited
    answer, or its best. Raises RoutingError without any score.
    """
    if not decision.scores:
        raise RoutingError(
            f"Router {decision.router} scored no expert.",
            hint="Run `coterie profile` so that its outcome table knows the experts of this pool.",
        )
    best, best_score = decision.scores[0]
    if decision.fallback == "abstain":
        return Plan("", decision.reason, best, abstains=decision.message)
    if decision.fallback == "second" and len(decision.scores) > 1:
        two = Panel(tuple(name for name, _ in decision.scores[:2]), decision.general)
        second = SecondOpinion(decision.message)
        return Plan(best, decision.reason, best, panel=two, aggregator=second, together=SECOND)
    if together is not None and not decision.fallback:
        return _plan_together(decision, together, prices)
    if policy == QUALITY_ALONE or decision.fallback:
        return Plan(best, decision.reason, best, role=decision.role)
    dearest = max((prices.get(name, 0.0) for name, _ in decision.scores), default=0.0)

    def worth(scored: tuple[str, float]) -> float:
        name, score = scored
        cost = prices.get(name, 0.0) / dearest if dearest else 0.0
        # Not load_price * delay: 0 * infinity is no number.
        wait = policy.load_price * delays.get(name, 0.0) if policy.load_price else 0.0
        return policy.quality_weight * score - (1 - policy.quality_weight) * cost - wait

    expert, score = max(decision.scores, key=worth)
    if expert == best:
        return Plan(best, decision.reason, best, role=decision.role)
    cost = best_score - score
    delay_s, best_delay_s = delays.get(expert, 0.0), delays.get(best, 0.0)
    lost = f"scored {cost:.2g} less than" if cost else "scored as well as"
    waits = policy.load_price and best_delay_s > delay_s
    why = _would_wait(expert, delay_s, best_delay_s) if waits else _costs_more(expert, best, prices)
    reason = f"{expert} {lost} {best}, which {why}. {decision.reason}".rstrip()
    saved_s = best_delay_s - delay_s if waits else 0.0
    return Plan(expert, reason, best, cost, saved_s, decision.role)


def _plan_together(decision: Decision, together: Together, prices: Mapping[str, float]) -> Plan:
    scores = dict(decision.scores)
    experts = together.named or (decision.panel if together.recruits else ())
    experts = experts or tuple(scores)[: together.experts]
    panel = Panel(experts, decision.lead, scores, prices)
    return Plan(
        experts[0],
        f"{decision.reason} {_recruited(experts)}",
        decision.scores[0][0],
        panel=panel,
        aggregator=together.aggregator,
        together=together.name,
    )


def _recruited(experts: tuple[str, ...]) -> str:
    counts = Counter(experts)
    named = ", ".join(f"{n} x {name}" if n > 1 else name for name, n in counts.items())
    return f"Recruited: {named}."


def _would_wait(expert: str, delay_s: float, best_delay_s: float) -> str:
    own = f" ({expert}: {delay_s:.1f} s)" if delay_s else ""
    if math.isinf(best_delay_s):
        return f"cannot be loaded now{own}"
    return f"would take {best_delay_s:.1f} s to load{own}"


def _costs_more(expert: str, best: str, prices: Mapping[str, float]) -> str:
    return f"costs {prices.get(best, 0.0):g} and not {prices.get(expert, 0.0):g}"
