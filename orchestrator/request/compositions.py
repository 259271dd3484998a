"""What a model's name, and a client's options, mean: router, aggregator, bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aggregators.base import Aggregator
from aggregators.registry import AGGREGATORS, build
from experts.errors import RequestError, UnknownModel
from orchestrator.config.model import CompositionConfig, Config
from orchestrator.request.options import NO_OPTIONS, RequestOptions
from orchestrator.request.plan import Together

POOL = "pool/"


@dataclass(frozen=True, slots=True)
class Composition:
    """A composition with its aggregator; `config.router` names its router."""

    config: CompositionConfig
    together: Together | None
    configured: bool = True
    """False where the client has changed it, or put it together by its name."""


class Compositions:
    """The compositions of a configuration, and those that `pool/ROUTER+AGGREGATOR` names."""

    def __init__(self, config: Config) -> None:
        """Builds every aggregator. Raises ConfigError where one cannot be built."""
        self._config = config
        self._experts = tuple(config.experts)
        self._built: dict[str, Aggregator] = {
            name: build(f"aggregators.{name}", keys, self._experts)
            for name, keys in config.aggregators.items()
        }
        self._own: dict[str, Aggregator] = {
            name: build(f"compositions.{name}.aggregator", entry.aggregator, self._experts)
            for name, entry in config.compositions.items()
            if isinstance(entry.aggregator, dict)
        }

    def find(self, model: str, options: RequestOptions = NO_OPTIONS) -> Composition:
        """What the model's name means. Raises UnknownModel, RequestError for an unknown part."""
        composition = self._named(model)
        if not options.recomposes:
            return composition
        return self._recomposed(model, composition, options)

    def _named(self, model: str) -> Composition:
        entry = self._config.compositions.get(model)
        if entry is not None:
            own, name = self._own.get(model), entry.aggregator
            if own is not None and isinstance(name, dict):
                return Composition(entry, Together(str(name["type"]), own, entry.experts))
            return Composition(entry, self._together(name, entry.experts))
        router, plus, name = model.removeprefix(POOL).partition("+")
        if model.startswith(POOL) and router in self._config.routers:
            entry = CompositionConfig(router=router)
            if not plus:
                return Composition(entry, None, configured=False)
            if (together := self._together(name, entry.experts)) is not None:
                return Composition(entry, together, configured=False)
        known = ", ".join([*self._config.compositions, *self._config.experts])
        parts = f"{_listed(self._config.routers)} and the aggregators {self._aggregators()}"
        raise UnknownModel(
            f"The model `{model}` does not exist.",
            hint=f"Known models: {known}; and pool/ROUTER+AGGREGATOR, of the routers {parts}.",
            param="model",
        )

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
        together = composition.together
        if options.aggregator is not None:
            together = self._together(options.aggregator, composition.config.experts)
            if together is None:
                raise RequestError(
                    f"No aggregator is called `{options.aggregator}`"
                    f" (known: {self._aggregators()}).",
                    param="coterie.aggregator",
                )
        if options.experts is not None:
            together = self._seated(model, together, options.experts)
        return Composition(composition.config.model_copy(update=changes), together, False)

    def _seated(
        self, model: str, together: Together | None, experts: int | tuple[str, ...]
    ) -> Together:
        if together is None:
            raise RequestError(
                f"One expert answers for `{model}`: choose an aggregator as well.",
                param="coterie.experts",
            )
        if isinstance(experts, int):
            return replace(together, experts=experts, recruits=False)
        if unknown := [name for name in experts if name not in self._config.experts]:
            known = ", ".join(self._experts)
            raise RequestError(
                f"No expert is called `{unknown[0]}` (known: {known}).", param="coterie.experts"
            )
        return replace(together, named=experts)

    def _together(self, name: Any, experts: int) -> Together | None:
        """One of `aggregators`, or a type with its defaults."""
        if name not in self._built and name in AGGREGATORS:
            self._built[name] = build(name, {"type": name}, self._experts)
        aggregator = self._built.get(name)
        return Together(name, aggregator, experts) if aggregator is not None else None

    def _aggregators(self) -> str:
        return ", ".join(dict.fromkeys([*self._config.aggregators, *AGGREGATORS]))


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none is configured"
