"""What earlier services of a configuration have measured, read from their store."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import typer

from experts.errors import ServiceError
from orchestrator.cli.serve import usual_store
from orchestrator.config.model import Config
from orchestrator.residency.cost_store import known_costs
from orchestrator.store.opening import MEMORY, open_store


def lasting_store(settings: Config, file: Path) -> str:
    """The store in which services of this configuration keep what they measure."""
    if "store" in settings.model_fields_set:
        return settings.store
    path = usual_store(file)
    return f"sqlite:{path}" if path.exists() else MEMORY


def stored_costs(settings: Config, file: Path) -> dict[str, dict[str, Any]]:
    """Engine -> its costs; where the store does not answer, that is said, and none are known."""
    try:
        return asyncio.run(_read(lasting_store(settings, file), settings))
    except ServiceError as error:
        typer.echo(f"costs are assumed: {error}", err=True)
        return {}


async def _read(url: str, settings: Config) -> dict[str, dict[str, Any]]:
    store = await open_store(url)
    try:
        return await known_costs(store, settings.hosted(), partial(typer.echo, err=True))
    finally:
        await store.close()
