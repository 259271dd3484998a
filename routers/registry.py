"""The routers by their `type`; a new one is one line here, or `module:Class` in a configuration."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from experts.components import Family, find, load, parse
from experts.errors import ConfigError
from routers.base import Encoder, Router, RouterConfig, TokenEncoder
from routers.encoders.choice import Choice

ROUTERS = {
    "static": "routers.static:StaticRouter",
    "random": "routers.uniform:RandomRouter",
    "knn": "routers.knn:KnnRouter",
    "clusters": "routers.clusters:ClustersRouter",
    "logistic": "routers.logistic:LogisticRouter",
    "factors": "routers.factors:FactorsRouter",
    "kernel": "routers.kernel:KernelRouter",
    "ensemble": "routers.ensemble.router:EnsembleRouter",
    "composition": "routers.composition.router:CompositionRouter",
    "symbolic_moe": "routers.symbolic_moe.router:SymbolicRouter",
    "mixture_of_thoughts": "routers.mixture_of_thoughts:ThoughtsRouter",
}

FAMILY = Family("router", ROUTERS, RouterConfig, "route")
DEFAULT_ENCODER = "routers.features:MiniLMEncoder"
SENTENCE_ENCODER = "routers.encoders.sentence:sentence_encoder"


class RouterClass(Protocol):
    """What the class of a router offers: a `Config` and this constructor.

    `encoder` makes, or returns, the encoder; only a router that looks at texts calls it. The
    constructor may read files and raises ConfigError where they are wrong.
    """

    Config: type[RouterConfig]

    def __call__(
        self, name: str, config: Any, experts: Sequence[str], encoder: Callable[[], Encoder]
    ) -> Router: ...


def router_class(type_name: str, place: str = "router") -> RouterClass:
    """The class of a `type`; imports its module. Raises ConfigError where it means none."""
    return cast(RouterClass, find(place, type_name, FAMILY))


def check(name: str, config: Mapping[str, Any], experts: Sequence[str]) -> None:
    """Raise ConfigError with every mistake in the keys under `routers.NAME`; reads no files."""
    _parse(name, config, experts)


def named_at_most(name: str, config: Mapping[str, Any], experts: Sequence[str]) -> int | None:
    """How many experts one decision of a router may name; None where its keys are wrong."""
    try:
        return _parse(name, config, experts)[1].most_named(experts)
    except ConfigError:
        return None


def build(
    name: str,
    config: Mapping[str, Any],
    experts: Sequence[str],
    encoder: Callable[[], Encoder],
    embedder: Callable[[str], Encoder] | None = None,
) -> Router:
    """The router that the keys under `routers.NAME` describe, for the experts of the pool.

    `embedder` gives the encoder that is the embedding expert of a name, where the key `encoder`
    names one. Raises ConfigError for a mistake in the keys, and for a file they name that does not
    serve.
    """
    made, parsed = _parse(name, config, experts)
    return made(name, parsed, experts, encoder_of(name, parsed, encoder, embedder))


def encoder_of(
    name: str,
    config: RouterConfig,
    built_in: Callable[[], Encoder],
    embedder: Callable[[str], Encoder] | None,
) -> Callable[[], Encoder]:
    """What makes the encoder that the router `name` asks for; that raises ConfigError."""
    chosen: Choice = getattr(config, "encoder", None)
    if chosen is None:
        return built_in

    def make() -> Encoder:
        try:
            if isinstance(chosen, str):
                if embedder is None:
                    raise ConfigError(f"`{chosen}` is an expert, which only a service can ask.")
                return embedder(chosen)
            made: Encoder = load(SENTENCE_ENCODER)(chosen.model)
        except ConfigError as error:
            raise ConfigError(
                f"routers.{name}.encoder: {error.message}", hint=error.hint
            ) from error
        return made

    return make


def shared_encoder() -> Callable[[], TokenEncoder]:
    """A function that makes the default encoder at its first call and then returns that one.

    The import of torch waits for that call, too.
    """
    lock = threading.Lock()
    made: list[TokenEncoder] = []

    def encoder() -> TokenEncoder:
        with lock:
            if not made:
                made.append(load(DEFAULT_ENCODER)())
            return made[0]

    return encoder


def _parse(
    name: str, config: Mapping[str, Any], experts: Sequence[str]
) -> tuple[RouterClass, RouterConfig]:
    place = f"routers.{name}"
    made, parsed = parse(place, config, FAMILY, experts)
    return cast(RouterClass, made), cast(RouterConfig, parsed)
