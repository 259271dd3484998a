"""What a model's name, and the options of a request, mean: router, aggregator, bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aggregators.base import Aggregator
from aggregators.likelihood.likelihood import Likelihood
from aggregators.registry import AGGREGATORS, build
from aggregators.second_opinion import SecondOpinion
from experts.errors import RequestError, UnknownModel
from experts.upstream.quoting import quoted
from orchestrator.config.model import CompositionConfig, Config
from orchestrator.request.context import NO_OPTIONS, RequestOptions
from orchestrator.request.plan import AskPanel, AskSecondOpinion, PanelRules

POOL = "pool/"


@dataclass(frozen=True, slots=True)
class Composition:
    """A composition: `config.router` names its router, `rules` and `aggregator` make its panels."""

    config: CompositionConfig
    rules: PanelRules | None = None
    aggregator: Aggregator | None = None
    """Where it has `rules`: what makes one answer of several."""
    configured: bool = True
    """False where the client has changed it, or put it together by its name."""


class Compositions:
    """The compositions of a configuration, and those that `pool/ROUTER+AGGREGATOR` names."""

    def __init__(self, config: Config) -> None:
        """Builds every aggregator. Raises ConfigError where one cannot be built."""
        self._config = config
        self._experts = tuple(config.answering)
        self._built: dict[str, Aggregator] = {
            name: build(f"aggregators.{name}", keys, self._experts)
            for name, keys in config.aggregators.items()
        }
        self._own: dict[str, Aggregator] = {
            name: build(f"compositions.{name}.aggregator", entry.aggregator, self._experts)
            for name, entry in config.compositions.items()
            if isinstance(entry.aggregator, dict)
        }

    def find(self, model: str, options: RequestOptions = NO_OPTIONS) -> Composition | None:
        """What the model's name means; None for an expert's.

        Raises UnknownModel, and RequestError for a part of it that does not exist.
        """
        if model in self._config.experts:
            if options.recomposes:
                raise RequestError(
                    f"{model} is one expert: ask a composition to choose more.", param="coterie"
                )
            return None
        composition = self.named(model)
        return self._recomposed(model, composition, options) if options.recomposes else composition

    def named(self, model: str) -> Composition:
        """The composition of that name. Raises UnknownModel."""
        entry = self._config.compositions.get(model)
        if entry is not None:
            return self._configured(model, entry)
        router, plus, name = model.removeprefix(POOL).partition("+")
        if model.startswith(POOL) and router in self._config.routers:
            plain = Composition(CompositionConfig(router=router), configured=False)
            if not plus:
                return plain
            if (found := self._with_aggregator(plain, name)) is not None:
                return found
        known = ", ".join([*self._config.compositions, *self._experts])
        hint = f"Known models: {known}"
        if routers := ", ".join(self._config.routers):
            hint += (
                f"; also {POOL}ROUTER and {POOL}ROUTER+AGGREGATOR, with a router ({routers})"
                f" and an aggregator ({self._aggregators()})"
            )
        raise UnknownModel(
            f"The model `{quoted(model)}` does not exist.", hint=f"{hint}.", param="model"
        )

    def _configured(self, model: str, entry: CompositionConfig) -> Composition:
        plain = Composition(entry)
        if isinstance(entry.aggregator, dict):
            return self._with_rules(plain, str(entry.aggregator["type"]), self._own[model])
        if entry.aggregator is None:
            return plain
        return self._with_aggregator(plain, entry.aggregator) or plain

    def _recomposed(
        self, model: str, composition: Composition, options: RequestOptions
    ) -> Composition:
        changes: dict[str, Any] = {"learning": None}
        if options.router is not None:
            if options.router not in self._config.routers:
                known = _listed(self._config.routers)
                raise RequestError(
                    f"No router is called `{options.router}` (known: {known}).",
                    param="coterie.router",
                )
            changes["router"] = options.router
        if options.budget is not None:
            changes["budget"] = options.budget
        if options.aggregator is not None:
            found = self._with_aggregator(composition, options.aggregator)
            if found is None:
                raise RequestError(
                    f"No aggregator is called `{options.aggregator}`"
                    f" (known: {self._aggregators()}).",
                    param="coterie.aggregator",
                )
            composition = found
        rules = composition.rules
        if options.experts is not None:
            rules = self._seated(model, rules, options.experts)
        config = composition.config.model_copy(update=changes)
        return replace(composition, config=config, rules=rules, configured=False)

    def _seated(
        self, model: str, rules: PanelRules | None, experts: int | tuple[str, ...]
    ) -> PanelRules:
        if rules is None:
            raise RequestError(
                f"One expert answers for `{model}`: choose an aggregator as well.",
                param="coterie.experts",
            )
        if isinstance(experts, int):
            return replace(rules, experts=experts, recruits=False)
        if unknown := [name for name in experts if name not in self._experts]:
            known = ", ".join(self._experts)
            raise RequestError(
                f"No expert is called `{unknown[0]}` (known: {known}).", param="coterie.experts"
            )
        return replace(rules, named=experts)

    def _with_aggregator(self, composition: Composition, name: str) -> Composition | None:
        """The composition with one of `aggregators`, or a type with its defaults; None for none."""
        if name not in self._built and name in AGGREGATORS:
            self._built[name] = build(name, {"type": name}, self._experts)
        aggregator = self._built.get(name)
        if aggregator is None:
            return None
        return self._with_rules(composition, name, aggregator)

    def _with_rules(
        self, composition: Composition, name: str, aggregator: Aggregator
    ) -> Composition:
        """The composition with that aggregator; one that scores texts seats its own experts."""
        named = aggregator.members(self._experts) if isinstance(aggregator, Likelihood) else ()
        rules = PanelRules(name, composition.config.experts, named=named)
        return replace(composition, rules=rules, aggregator=aggregator)

    def _aggregators(self) -> str:
        return ", ".join(dict.fromkeys([*self._config.aggregators, *AGGREGATORS]))


def aggregator_of(composition: Composition, action: AskPanel | AskSecondOpinion) -> Aggregator:
    """What makes one answer of those of a plan's panel."""
    if isinstance(action, AskSecondOpinion):
        return SecondOpinion(action.message)
    assert composition.aggregator is not None, "a panel is only planned where there are rules"
    return composition.aggregator


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none is configured"
