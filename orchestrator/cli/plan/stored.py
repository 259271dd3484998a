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


def stored_costs(settings: Config, file: Path) -> dict[str, dict[str, Any]]:
    """Engine -> its costs; where the store does not answer, that is said, and none are known."""
    url = settings.store
    if "store" not in settings.model_fields_set and (path := usual_store(file)).exists():
        url = f"sqlite:{path}"
    say = partial(typer.echo, err=True)
    try:
        return asyncio.run(known_costs(url, settings.hosted(), say))
    except ServiceError as error:
        say(f"costs are assumed: {error}")
        return {}
