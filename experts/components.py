"""Keys that a `type` gives their meaning: the routers and aggregators of a configuration."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from experts.errors import ConfigError


def load(target: str) -> Any:
    """What `module:name` names; imports the module."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def parse(
    place: str, keys: Mapping[str, Any], kinds: Mapping[str, str], experts: Sequence[str]
) -> tuple[Any, Any]:
    """The class that `keys["type"]` names, and the other keys as its `Config`.

    `kinds` maps a type to `module:class`. Raises ConfigError with every mistake, under `place`,
    those that only show beside the pool's experts among them.
    """
    kind = keys.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        found = "the key is missing" if kind is None else f"there is no type `{kind}`"
        raise mistakes(place, [f"type: {found} (known: {', '.join(kinds)})."])
    made = load(kinds[kind])
    try:
        parsed = made.Config.model_validate(dict(keys))
    except ValidationError as error:
        problems = [_explain(problem, made.Config) for problem in error.errors()]
        raise mistakes(place, problems) from error
    if problems := parsed.problems(experts):
        raise mistakes(place, problems)
    return made, parsed


def mistakes(place: str, problems: Sequence[str]) -> ConfigError:
    """The error for problems that begin with their key, or with a colon where all are wrong."""
    located = tuple(
        f"{place}{problem}" if problem.startswith(":") else f"{place}.{problem}"
        for problem in problems
    )
    return ConfigError(" ".join(located), problems=located)


def _explain(problem: Any, config: type[BaseModel]) -> str:
    """Pydantic's error as `key: what is wrong`."""
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = sorted(config.model_fields, key=lambda field: field != "type")
        return f"{key}: unknown key (known: {', '.join(known)})."
    if problem["type"] == "missing":
        return f"{key}: this key is required."
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}."
