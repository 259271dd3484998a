"""Decision in, plan out: whom to ask, and why. Pure; a plan is data and can be compared."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from aggregators.base import Panel
from experts.errors import ExpertPaused, ExpertUnavailable, RoutingError
from orchestrator.config.model import CompositionConfig, Config
from orchestrator.request.availability import others, without_failed
from routers.base import Decision

NOTHING: Mapping[str, float] = MappingProxyType({})
NOBODY: Mapping[str, str] = MappingProxyType({})
_WHY = {
    ExpertUnavailable.code: "could not be loaded",
    ExpertPaused.code: "kept failing",
}
"""Why an expert is left out, by the code of its error; others have failed just now."""
SECOND_OPINION = "second opinion"


@dataclass(frozen=True, slots=True)
class AskExpert:
    """One expert answers, in `role` where it is a fused one that has roles."""

    expert: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class AskPanel:
    """Several experts answer, and the aggregator of that name makes one answer of theirs."""

    panel: Panel
    aggregator: str


@dataclass(frozen=True, slots=True)
class AskSecondOpinion:
    """Two experts answer; where they differ, the panel's lead does, or `message` is said."""

    panel: Panel
    message: str


@dataclass(frozen=True, slots=True)
class Abstain:
    """Nobody is asked: the client gets a message."""

    message: str


Action = AskExpert | AskPanel | AskSecondOpinion | Abstain


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one request, and why.

    `preferred` is the expert with the best predicted quality. Where the action asks another one,
    that costs `quality_cost` of that quality and saves `saved_s` seconds of waiting. `left_out` are
    the experts that would have counted but could not answer, each with the code of its error.
    """

    action: Action
    reason: str
    preferred: str
    quality_cost: float = 0.0
    saved_s: float = 0.0
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def fallback(self) -> str | None:
        """Why a better expert is not asked, where it could not answer: the code of its error."""
        if not self.left_out or self.panel is not None:
            return None
        return next(iter(self.left_out.values()))

    @property
    def expert(self) -> str | None:
        """Who is asked, the first of a panel; None for nobody."""
        if isinstance(self.action, AskExpert):
            return self.action.expert
        return self.panel.experts[0] if self.panel is not None else None

    @property
    def panel(self) -> Panel | None:
        """The experts that answer together, if several do."""
        if isinstance(self.action, AskPanel | AskSecondOpinion):
            return self.action.panel
        return None

    @property
    def aggregator(self) -> str | None:
        """The name of what makes one answer of several."""
        if isinstance(self.action, AskPanel):
            return self.action.aggregator
        return SECOND_OPINION if isinstance(self.action, AskSecondOpinion) else None


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """What counts beside predicted quality."""

    quality_weight: float = 1.0
    """1: quality alone. Below, the rest of it is the weight of the price, as share of the dearest
    expert's."""
    load_price: float = 0.0
    """Quality that one second of waiting for a load may cost."""


QUALITY_ALONE = Tradeoff()


@dataclass(frozen=True, slots=True)
class PanelRules:
    """How a composition whose experts answer together puts its panels together."""

    aggregator: str
    experts: int
    """How many answer, where the router recruits nobody itself."""
    recruits: bool = True
    """Whether the experts that the router recruits count."""
    named: tuple[str, ...] = ()
    """Who answers, whatever the router says, where the client names anybody."""


def tradeoff_of(composition: CompositionConfig) -> Tradeoff:
    """What a composition's keys say."""
    return Tradeoff(composition.quality_weight, composition.load_price)


def prices_of(config: Config) -> dict[str, float]:
    """What a million tokens of each expert cost, in USD."""
    return {name: spec.price_usd_per_mtok for name, spec in config.experts.items()}


@lru_cache(maxsize=1024)
def plan_expert(expert: str) -> Plan:
    """The plan of a request that named its expert."""
    return Plan(AskExpert(expert), f"The request named {expert}.", expert)


def plan_decision(
    decision: Decision,
    tradeoff: Tradeoff = QUALITY_ALONE,
    delays: Mapping[str, float] = NOTHING,
    prices: Mapping[str, float] = NOTHING,
    rules: PanelRules | None = None,
    failed: Mapping[str, str] = NOBODY,
) -> Plan:
    """Ask the expert with the best predicted quality, less its price and what waiting costs.

    `delays` holds the seconds until each expert could begin (none: at once), `prices` what each
    costs, in any unit. The better score wins a tie. After an alarm of the router's coverage guard,
    the first expert is asked, whatever it costs. With `rules`, those whom the router recruited
    answer, or its best. The experts in `failed`, which cannot answer now (each with the code of its
    error), are left out as long as another one can. Raises RoutingError without any score.
    """
    left, lost = without_failed(decision, failed)
    if rules is not None and rules.named:
        named = others(rules.named, failed)
        lost = tuple(name for name in dict.fromkeys(rules.named) if name not in named)
        rules = replace(rules, named=named)
    plan = _plan_among(left, tradeoff, delays, prices, rules)
    return _explained(plan, decision, {name: failed[name] for name in lost})


def _explained(plan: Plan, decision: Decision, lost: Mapping[str, str]) -> Plan:
    """The plan with a word on those that would have counted, and what going without them costs."""
    scores, asked = dict(decision.scores), plan.expert
    if plan.panel is None and asked in scores:
        lost = {name: why for name, why in lost.items() if scores.get(name, 0.0) >= scores[asked]}
    if not lost:
        return plan
    plan = replace(plan, reason=f"{_left_out(lost)} {plan.reason}", left_out=lost)
    if plan.panel is not None or asked not in scores:
        return plan
    best, score = decision.scores[0]
    return replace(plan, preferred=best, quality_cost=max(0.0, score - scores[asked]))


def _left_out(lost: Mapping[str, str]) -> str:
    """A sentence for each reason, with its experts."""
    named: dict[str, list[str]] = {}
    for name, code in lost.items():
        named.setdefault(_WHY.get(code, "failed"), []).append(name)
    told = (
        f"{', '.join(names)} {why} and {'is' if len(names) == 1 else 'are'} left out."
        for why, names in named.items()
    )
    return " ".join(told)


def _plan_among(
    decision: Decision,
    tradeoff: Tradeoff,
    delays: Mapping[str, float],
    prices: Mapping[str, float],
    rules: PanelRules | None,
) -> Plan:
    """The plan for a decision among experts of which each can answer."""
    if not decision.scores:
        raise RoutingError(
            f"Router {decision.router} scored no expert.",
            hint="Run `coterie profile` so that its outcome table knows the experts of this pool.",
        )
    best = decision.scores[0][0]
    if decision.fallback == "abstain":
        return Plan(Abstain(decision.message), decision.reason, best)
    if decision.fallback == "second" and len(decision.scores) > 1:
        two = Panel(tuple(name for name, _ in decision.scores[:2]), decision.general)
        return Plan(AskSecondOpinion(two, decision.message), decision.reason, best)
    if rules is not None and not decision.fallback:
        return _plan_panel(decision, rules, prices)
    if tradeoff == QUALITY_ALONE or decision.fallback:
        return Plan(AskExpert(best, decision.role), decision.reason, best)
    return _plan_cheapest(decision, tradeoff, delays, prices)


def _plan_cheapest(
    decision: Decision,
    tradeoff: Tradeoff,
    delays: Mapping[str, float],
    prices: Mapping[str, float],
) -> Plan:
    """The expert whose quality is worth its price and its wait."""
    best, best_score = decision.scores[0]
    dearest = max((prices.get(name, 0.0) for name, _ in decision.scores), default=0.0)

    def worth(scored: tuple[str, float]) -> float:
        name, score = scored
        cost = prices.get(name, 0.0) / dearest if dearest else 0.0
        # Not load_price * delay: 0 * infinity is not a number.
        wait = tradeoff.load_price * delays.get(name, 0.0) if tradeoff.load_price else 0.0
        return tradeoff.quality_weight * score - (1 - tradeoff.quality_weight) * cost - wait

    expert, score = max(decision.scores, key=worth)
    action = AskExpert(expert, decision.role)
    if expert == best:
        return Plan(action, decision.reason, best)
    cost = best_score - score
    delay_s, best_delay_s = delays.get(expert, 0.0), delays.get(best, 0.0)
    lost = f"scored {cost:.2g} less than" if cost else "scored as well as"
    waits = tradeoff.load_price and best_delay_s > delay_s
    why = _would_wait(expert, delay_s, best_delay_s) if waits else _costs_more(expert, best, prices)
    reason = f"{expert} {lost} {best}, which {why}. {decision.reason}".rstrip()
    return Plan(action, reason, best, cost, best_delay_s - delay_s if waits else 0.0)


def _plan_panel(decision: Decision, rules: PanelRules, prices: Mapping[str, float]) -> Plan:
    scores = dict(decision.scores)
    experts = rules.named or (decision.panel if rules.recruits else ())
    experts = experts or tuple(scores)[: rules.experts]
    panel = Panel(experts, decision.lead, scores, prices)
    reason = f"{decision.reason} {_recruited(experts)}"
    return Plan(AskPanel(panel, rules.aggregator), reason, decision.scores[0][0])


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
