"""What `coterie key` does: in the store of a configuration, or at a running service."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from experts.errors import ConfigError
from experts.mistakes import explain
from orchestrator.cli.keys.consequences import of_making, of_revoking
from orchestrator.cli.remote import call
from orchestrator.cli.serve import with_store
from orchestrator.cli.tables import print_table
from orchestrator.config.checks import unusable_store
from orchestrator.config.keys.checks import unknown_models
from orchestrator.config.keys.section import KeyTerms
from orchestrator.config.model import Config, load_config
from orchestrator.config.sections import Name
from orchestrator.keys.counters import Counters
from orchestrator.keys.listing import listed
from orchestrator.keys.ring import KeyRing
from orchestrator.store.opening import MEMORY, open_store

PATH = "/coterie/keys"
Done = TypeVar("Done")


def create(
    name: str, given: Mapping[str, Any], file: Path, url: str | None, api_key: str | None
) -> None:
    """Print a new key. Raises ConfigError, ServiceError, NameTaken, StoreError."""
    _check_name(name)
    if url is not None:
        before = call("GET", url, PATH, api_key)["keys"]
        secret = call("POST", url, PATH, api_key, {"name": name, **given})["key"]
    else:
        config = load_config(file)
        terms = _terms(given, config)
        before, secret = _changed(config, file, lambda keys: keys.create(name, terms))
    typer.echo(f"The key of {name}, which is shown this once; only its hash is kept:", err=True)
    typer.echo(secret)
    _warn(of_making(before, admin=bool(given.get("admin"))))


def revoke(name: str, file: Path, url: str | None, api_key: str | None) -> None:
    """Revoke a key. Raises ConfigError, ServiceError, UnknownObject, StoreError."""
    _check_name(name)
    if url is not None:
        before = call("GET", url, PATH, api_key)["keys"]
        call("DELETE", url, f"{PATH}/{name}", api_key)
    else:
        before, _ = _changed(load_config(file), file, lambda keys: keys.revoke(name))
    typer.echo(f"{name}: revoked")
    _warn(of_revoking(before, name))


def show(file: Path, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Print every key, less the key itself. Raises ConfigError, ServiceError, StoreError."""
    if url is not None:
        found = call("GET", url, PATH, api_key)["keys"]
    else:
        config = load_config(file)
        stored = _with_keys(config, file, lambda keys: keys.stored())
        found = listed(config.server.api_keys, stored)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        (one["name"], one["source"], one["created"] or "", one["revoked"] or "", _words(one))
        for one in found
    ]
    print_table(("key", "source", "made", "revoked", "terms"), rows)


def _changed(
    config: Config, file: Path, change: Callable[[KeyRing], Awaitable[Done]]
) -> tuple[Sequence[Mapping[str, Any]], Done]:
    """All keys as they were before a change, and what came of it."""

    async def work(keys: KeyRing) -> tuple[Sequence[Mapping[str, Any]], Done]:
        return listed(config.server.api_keys, await keys.stored()), await change(keys)

    return _with_keys(config, file, work)


def _warn(words: str) -> None:
    if words:
        typer.echo(f"warning: {words}", err=True)


def _words(one: Mapping[str, Any]) -> str:
    terms = one["terms"].items()
    return ", ".join(f"{k} {' '.join(v) if isinstance(v, list) else v}" for k, v in terms)


def _check_name(name: str) -> None:
    try:
        TypeAdapter[str](Name).validate_python(name)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"NAME: {said}.") from None


def _terms(given: Mapping[str, Any], config: Config) -> KeyTerms:
    """What was given as options. Raises ConfigError with the option of each mistake."""
    try:
        terms = KeyTerms.model_validate(given)
    except ValidationError as error:
        problems = tuple(f"--{_option(one)}" for one in explain(KeyTerms, error))
        raise ConfigError("The key cannot be made.", problems=problems) from None
    problems = tuple(
        f"--models: {what}"
        for what in unknown_models(terms.models, [*config.experts, *config.compositions])
    )
    if terms.request_class not in config.classes:
        known = ", ".join(config.classes)
        problems += (f"--class: no class is called `{terms.request_class}` (known: {known}).",)
    if problems:
        raise ConfigError("The key cannot be made.", problems=problems)
    return terms


def _option(problem: str) -> str:
    """A mistake with the name of its option, as `price-per-day: must be above 0.`."""
    name, colon, what = problem.partition(":")
    return name.replace("_", "-") + colon + what


def _with_keys(config: Config, file: Path, work: Callable[[KeyRing], Awaitable[Done]]) -> Done:
    """Do something with the keys in the store that `coterie serve` uses for this configuration."""
    settings = with_store(config, file)
    if settings.store == MEMORY:
        raise ConfigError(
            f"store: {file} keeps nothing beside its service (memory).",
            hint="Ask the running service with --url, or set `store`.",
        )
    if problems := unusable_store(settings.store):
        raise ConfigError(" ".join(problems))

    async def done() -> Done:
        store = await open_store(settings.store)
        try:
            return await work(KeyRing(settings.server, Counters(store, settings.server.limits)))
        finally:
            await store.close()

    return asyncio.run(done())
