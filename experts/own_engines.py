"""Engines from outside the repository: an expert whose `type` is `module:Class`."""

from typing import Any, Protocol, cast

from pydantic import BaseModel

from experts.components import Family, find, mistakes, parse_keys
from experts.engine import Engine
from experts.spec import ExpertSpecBase, OwnSpec

FAMILY = Family("engine", {}, BaseModel, "open")


class EngineClass(Protocol):
    """What the class of an engine offers: a `Config` and this constructor.

    `name` is the expert's. The constructor may read files and raises ConfigError where they are
    wrong; it runs on the event loop, so long work belongs into the first `open`.
    """

    Config: type[BaseModel]

    def __call__(self, name: str, config: Any) -> Engine: ...


def check(name: str, spec: OwnSpec) -> None:
    """Raise ConfigError with every mistake in the keys under `experts.NAME`; makes no engine."""
    _parse(name, spec)


def build(name: str, spec: OwnSpec) -> Engine:
    """The engine that the keys under `experts.NAME` describe. Raises ConfigError."""
    made, parsed = _parse(name, spec)
    return made(name, parsed)


def engine_class(name: str, type_name: str) -> EngineClass:
    """The class of an expert's `type`; imports its module. Raises ConfigError."""
    place = f"experts.{name}"
    made = cast(EngineClass, find(place, type_name, FAMILY))
    taken = sorted(set(made.Config.model_fields) & (set(ExpertSpecBase.model_fields) | {"type"}))
    if taken:
        raise mistakes(
            place,
            [
                f"type: the `Config` of `{type_name}` must not have the key `{taken[0]}`, which"
                " every expert has."
            ],
        )
    return made


def _parse(name: str, spec: OwnSpec) -> tuple[EngineClass, Any]:
    made = engine_class(name, spec.type)
    return made, parse_keys(f"experts.{name}", spec.keys, made)
