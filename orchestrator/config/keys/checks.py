"""Checks of API keys that look at several of them, or at the models, at once; shows no key."""

import difflib
from collections.abc import Mapping, Sequence

from orchestrator.config.keys.section import ApiKey

POOL = "pool/"
OWN = "coterie/"
"""How names begin that are made up of others, or that are the service's own."""


def check_keys(api_keys: Mapping[str, ApiKey], models: Sequence[str]) -> list[str]:
    """Keys that two names share, and models that do not exist, each with its path."""
    problems: list[str] = []
    owners: dict[str, str] = {}
    for name, entry in api_keys.items():
        where = f"server.api_keys.{name}"
        if (owner := owners.setdefault(entry.digest, name)) != name:
            given = "key" if entry.hash is None else "hash"
            problems.append(f"{where}.{given}: `{owner}` has the same key; give each its own.")
        problems += [f"{where}.models: {what}" for what in unknown_models(entry.models, models)]
    return problems


def unknown_models(named: Sequence[str] | None, models: Sequence[str]) -> list[str]:
    """What is said about names of models that do not exist; patterns may name what is to come."""
    return [_unknown(name, models) for name in named or () if not _may_exist(name, models)]


def _may_exist(name: str, models: Sequence[str]) -> bool:
    return name in models or "*" in name or name.startswith((POOL, OWN))


def _unknown(name: str, models: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, models, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"no model is called `{name}` (known: {', '.join(models)}).{hint}"
