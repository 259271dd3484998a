"""The aggregators by their `type`; a new one is one line here, or `module:Class` in a file."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from aggregators.base import Aggregator, AggregatorConfig
from experts.components import Family, find, parse, parse_keys
from experts.errors import ConfigError

AGGREGATORS = {
    "vote": "aggregators.vote.vote:Vote",
    "synthesize": "aggregators.synthesize.synthesize:Synthesize",
    "rank": "aggregators.rank.rank:Rank",
    "cascade": "aggregators.cascade.cascade:CascadeAggregator",
    "strategy": "aggregators.cascade.strategy:Strategy",
    "debate": "aggregators.debate.debate:Debate",
    "judged_debate": "aggregators.debate.judged:JudgedDebate",
    "likelihood": "aggregators.likelihood.likelihood:Likelihood",
}

FAMILY = Family("aggregator", AGGREGATORS, AggregatorConfig, "aggregate")


class AggregatorClass(Protocol):
    """What the class of an aggregator offers: a `Config` and this constructor.

    The constructor may read files and raises ConfigError where they are wrong.
    """

    Config: type[AggregatorConfig]

    def __call__(self, config: Any) -> Aggregator: ...


def check(place: str, keys: Mapping[str, Any], experts: Sequence[str]) -> None:
    """Raise ConfigError with every mistake in the keys of an aggregator at `place` of the file."""
    parse(place, keys, FAMILY, experts)


def build(place: str, keys: Mapping[str, Any], experts: Sequence[str]) -> Aggregator:
    """The aggregator that the keys describe. Raises ConfigError."""
    made, parsed = parse(place, keys, FAMILY, experts)
    return cast(AggregatorClass, made)(parsed)


def problems(keys: Mapping[str, Any], experts: Sequence[str]) -> tuple[str, ...]:
    """The mistakes in the keys of an aggregator inside another one, as `key: what is wrong`."""
    try:
        check("", keys, experts)
    except ConfigError as error:
        return tuple(problem.removeprefix(".") for problem in error.problems)
    return ()


def aggregator_class(type_name: str, place: str = "aggregator") -> AggregatorClass:
    """The class of a `type`; imports its module. Raises ConfigError where it means none."""
    return cast(AggregatorClass, find(place, type_name, FAMILY))


def make(keys: Mapping[str, Any]) -> Aggregator:
    """An aggregator of keys that were checked. Raises ConfigError for files that are wrong."""
    made = aggregator_class(keys["type"])
    return made(parse_keys("aggregator", keys, made))
