"""The aggregators by the name that a configuration uses; a new one is one line here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from aggregators.base import Aggregator, AggregatorConfig
from experts.keys import parse

AGGREGATORS = {
    "synthesize": "aggregators.synthesize.synthesize:Synthesize",
}


class AggregatorClass(Protocol):
    """What a class in AGGREGATORS offers: a `Config` and this constructor.

    The constructor may read files and raises ConfigError where they are wrong.
    """

    Config: type[AggregatorConfig]

    def __call__(self, config: Any) -> Aggregator: ...


def check(name: str, keys: Mapping[str, Any], experts: Sequence[str]) -> None:
    """Raise ConfigError with every mistake in the keys under `aggregators.NAME`."""
    _parse(name, keys, experts)


def build(name: str, keys: Mapping[str, Any], experts: Sequence[str]) -> Aggregator:
    """The aggregator that the keys under `aggregators.NAME` describe. Raises ConfigError."""
    made, parsed = _parse(name, keys, experts)
    return made(parsed)


def _parse(
    name: str, keys: Mapping[str, Any], experts: Sequence[str]
) -> tuple[AggregatorClass, AggregatorConfig]:
    place = f"aggregators.{name}"
    made, parsed = parse(place, keys, AGGREGATORS, experts)
    return cast(AggregatorClass, made), cast(AggregatorConfig, parsed)
