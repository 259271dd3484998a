"""The routers by the name that a configuration uses; a new one is one line here."""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from pydantic import ValidationError

from experts.errors import ConfigError
from routers.base import Encoder, Router, RouterConfig

ROUTERS = {
    "static": "routers.static:StaticRouter",
    "random": "routers.uniform:RandomRouter",
    "knn": "routers.knn:KnnRouter",
    "clusters": "routers.clusters:ClustersRouter",
    "logistic": "routers.logistic:LogisticRouter",
    "factors": "routers.factors:FactorsRouter",
    "kernel": "routers.kernel:KernelRouter",
    "composition": "routers.composition.router:CompositionRouter",
    "symbolic_moe": "routers.symbolic_moe.router:SymbolicRouter",
    "mixture_of_thoughts": "routers.mixture_of_thoughts:ThoughtsRouter",
}

DEFAULT_ENCODER = "routers.features:MiniLMEncoder"


class RouterClass(Protocol):
    """What a class in ROUTERS offers: a `Config` and this constructor.

    `encoder` makes, or returns, the encoder; only a router that looks at texts calls it. The
    constructor may read files and raises ConfigError where they are wrong.
    """

    Config: type[RouterConfig]

    def __call__(
        self, name: str, config: Any, experts: Sequence[str], encoder: Callable[[], Encoder]
    ) -> Router: ...


def router_class(type_name: str) -> RouterClass:
    """The class of a `type`; imports its module. Raises ConfigError for an unknown type."""
    if type_name not in ROUTERS:
        known = ", ".join(ROUTERS)
        raise ConfigError(f"There is no router of type `{type_name}` (known: {known}).")
    return cast(RouterClass, _load(ROUTERS[type_name]))


def check(name: str, config: Mapping[str, Any], experts: Sequence[str]) -> None:
    """Raise ConfigError with every mistake in the keys under `routers.NAME`; reads no files."""
    _parse(name, config, experts)


def build(
    name: str,
    config: Mapping[str, Any],
    experts: Sequence[str],
    encoder: Callable[[], Encoder],
) -> Router:
    """The router that the keys under `routers.NAME` describe, for the experts of the pool.

    Raises ConfigError for a mistake in the keys, and for a file they name that does not serve.
    """
    made, parsed = _parse(name, config, experts)
    return made(name, parsed, experts, encoder)


def shared_encoder() -> Callable[[], Encoder]:
    """A function that makes the default encoder at its first call and then returns that one.

    The import of torch waits for that call, too.
    """
    lock = threading.Lock()
    made: list[Encoder] = []

    def encoder() -> Encoder:
        with lock:
            if not made:
                made.append(_load(DEFAULT_ENCODER)())
            return made[0]

    return encoder


def _parse(
    name: str, config: Mapping[str, Any], experts: Sequence[str]
) -> tuple[RouterClass, RouterConfig]:
    place = f"routers.{name}"
    type_name = config.get("type")
    if not isinstance(type_name, str) or type_name not in ROUTERS:
        found = "the key is missing" if type_name is None else f"there is no type `{type_name}`"
        raise _mistakes(place, [f"type: {found} (known: {', '.join(ROUTERS)})."])
    made = router_class(type_name)
    try:
        parsed = made.Config.model_validate(dict(config))
    except ValidationError as error:
        problems = [_explain(problem, made.Config) for problem in error.errors()]
        raise _mistakes(place, problems) from error
    if problems := list(parsed.problems(experts)):
        raise _mistakes(place, problems)
    return made, parsed


def _mistakes(place: str, problems: Sequence[str]) -> ConfigError:
    located = tuple(f"{place}.{problem}" for problem in problems)
    return ConfigError(" ".join(located), problems=located)


def _explain(problem: Any, config: type[RouterConfig]) -> str:
    """pydantic's error as `key: what is wrong`."""
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = sorted(config.model_fields, key=lambda field: field != "type")
        return f"{key}: unknown key (known: {', '.join(known)})."
    if problem["type"] == "missing":
        return f"{key}: this key is required."
    message = problem["msg"]
    return f"{key}: {message[0].lower()}{message[1:]}."


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
