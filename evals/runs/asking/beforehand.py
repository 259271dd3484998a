"""What can be known of a service that runs already, before it is asked the first question."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from experts.errors import ConfigError, ServiceError
from experts.files.versions import told_versions
from experts.spec import ExpertSpec
from orchestrator.cli.ps import fetch
from orchestrator.cli.remote import NoSuchPage, call

CHOSEN_BY_CLIENT = "+"
"""`pool/ROUTER+AGGREGATOR` is a composition that no list has."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a service says of itself."""

    models: tuple[str, ...] | None
    """None where it has no list."""
    experts: tuple[str, ...] | None
    """None where it is no service of ours."""
    versions: Mapping[str, str]
    """Of our service's experts; older ones tell none."""


def look(url: str, api_key: str | None) -> Found:
    """Ask the service at `url`. Raises ConfigError for no address, ServiceError for no answer."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"--url {url} is no address.", hint="It begins with http:// or https://.")
    try:
        pool: Mapping[str, Any] = fetch(url, api_key)
    except ServiceError:
        pool = {}
    ours = isinstance(pool.get("queued"), dict) and isinstance(pool.get("loads"), dict)
    try:
        listed = call("GET", url, "/v1/models", api_key).get("data")
    except NoSuchPage:  # Some servers have no list.
        listed = None
    rows = listed if isinstance(listed, list) else []
    models = tuple(str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row)
    told = pool.get("versions")
    return Found(
        models or None,
        tuple(pool["queued"]) if ours else None,
        told if ours and isinstance(told, dict) else {},
    )


def check_names(found: Found, url: str, names: Collection[str]) -> str | None:
    """A warning where a server's list lacks a name. Raises ConfigError where ours does."""
    if found.models is None:
        return None
    missing = [n for n in names if n not in found.models and CHOSEN_BY_CLIENT not in n]
    if not missing:
        return None
    near = get_close_matches(missing[0], found.models, 1)
    meant = f"Did you mean {near[0]}?" if near else f"It has {', '.join(found.models)}."
    words = f"{url} has no model {', '.join(missing)}."
    if found.experts is None:
        return f"{words} {meant}"
    raise ConfigError(f"--models: {words}", hint=meant)


def check_versions(found: Found, url: str, experts: Mapping[str, ExpertSpec]) -> None:
    """Raise ConfigError where the service's experts are not those that the file describes.

    Their answers would be kept as the others'.
    """
    here = told_versions(experts)
    other = [name for name in here if found.versions.get(name, here[name]) != here[name]]
    gone = [name for name in here if found.experts is not None and name not in found.experts]
    if other or gone:
        raise ConfigError(
            f"The service at {url} does not serve what --config describes.",
            problems=(
                *(f"{name}: it has other weights, or another role, there." for name in other),
                *(f"{name}: it is not there." for name in gone),
            ),
            hint="Start the service with this file, or leave out --config.",
        )
