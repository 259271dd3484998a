"""Classes that a `type` of the configuration names: ours by a word, others by `module:Class`.

A class has a nested `Config`, a pydantic model of the keys that stand beside `type`.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from experts.errors import ConfigError
from experts.mistakes import ended, explain, unknown_type

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Family:
    """What one section of the configuration may name: routers, aggregators or engines."""

    name: str
    """In the singular, for messages."""
    known: Mapping[str, str]
    """Type -> `module:Class`, of those that ship with Coterie."""
    config: type[BaseModel]
    """What a `Config` must be a subclass of."""
    verb: str
    """The method that a class of the family must have."""


class _Unusable(Exception):
    """Why a `type` names no class that can be used, as a sentence."""


def is_own_class(kind: Any) -> bool:
    """Whether a `type` means a class from outside the repository."""
    return isinstance(kind, str) and ":" in kind


def load(target: str) -> Any:
    """What `module:name` names; imports the module."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def find(place: str, kind: Any, family: Family) -> Any:
    """The class that a `type` at `place` of the file means. Raises ConfigError."""
    if isinstance(kind, str) and kind in family.known:
        return load(family.known[kind])
    if not is_own_class(kind):
        raise mistakes(place, [f"type: {ended(unknown_type(kind, tuple(family.known)))}"])
    try:
        return _own_class(kind, family)
    except _Unusable as error:
        raise mistakes(place, [f"type: {error}"]) from error.__cause__


def parse(
    place: str, keys: Mapping[str, Any], family: Family, experts: Sequence[str]
) -> tuple[Any, Any]:
    """The class that `keys["type"]` names, and the other keys as its `Config`.

    Raises ConfigError with every mistake, under `place`, those that only show beside the pool's
    experts among them.
    """
    made = find(place, keys.get("type"), family)
    parsed = parse_keys(place, keys, made)
    if problems := parsed.problems(experts):
        raise mistakes(place, problems)
    return made, parsed


def parse_keys(place: str, keys: Mapping[str, Any], made: Any) -> Any:
    """The keys as the `Config` of a class that was found. Raises ConfigError."""
    wanted = dict(keys)
    if "type" not in made.Config.model_fields:
        wanted.pop("type", None)  # A class of one's own needs no literal for it.
    try:
        return made.Config.model_validate(wanted)
    except ValidationError as error:
        # Not its cause: pydantic's words show values, which may be secret.
        problems = explain(made.Config, error)
    raise mistakes(place, problems)


def mistakes(place: str, problems: Sequence[str]) -> ConfigError:
    """The error for problems that begin with their key, or with a colon where all are wrong."""
    located = tuple(
        f"{place}{problem}" if problem.startswith(":") else f"{place}.{problem}"
        for problem in problems
    )
    return ConfigError(" ".join(located), problems=located)


def _own_class(target: str, family: Family) -> Any:
    if not _TARGET.fullmatch(target):
        raise _Unusable(f"`{target}` must look like my_package.my_module:MyClass.")
    name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _Unusable(_failed(name, error)) from error
        raise _Unusable(
            f"there is no module `{error.name}`; install its package into the environment that"
            " Coterie runs in."
        ) from error
    except (Exception, SystemExit) as error:  # Whatever the code of others may raise.
        raise _Unusable(_failed(name, error)) from error
    made = getattr(module, attribute, None)
    if made is None:
        raise _Unusable(f"the module `{name}` has no `{attribute}`.")
    if fault := _fault(made, family):
        raise _Unusable(f"`{target}` {fault}")
    return made


def _failed(module: str, error: BaseException) -> str:
    return f"the import of `{module}` failed ({type(error).__name__}: {error})."


def _fault(made: Any, family: Family) -> str | None:
    """What a class lacks to be one of the family."""
    base = family.config
    if not isinstance(made, type):
        return "is not a class."
    if not callable(getattr(made, family.verb, None)):
        return f"is no {family.name}: it has no method `{family.verb}`."
    config = getattr(made, "Config", None)
    if not (isinstance(config, type) and issubclass(config, base)):
        return f"has no nested class `Config` that is a {base.__module__}.{base.__name__}."
    if config.model_config.get("extra") != "forbid":
        return (
            'must refuse unknown keys: set `model_config = ConfigDict(extra="forbid")` in its'
            " `Config`."
        )
    return None
