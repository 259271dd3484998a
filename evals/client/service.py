"""The service that a command starts for itself, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evals.client.progress import Progress
from orchestrator.config.model import Config
from orchestrator.residency.machine.policy import Policy, decide
from orchestrator.service import Service, start_service


@asynccontextmanager
async def serving(
    settings: Config,
    progress: Progress,
    *,
    policy: Policy = decide,
    tell: bool = True,
) -> AsyncIterator[Service]:
    """Start the service, and stop it at the end; what it says of itself is told unless not `tell`.

    Raises ConfigError and ServiceError.
    """
    progress.doing("starting the service")
    service = await start_service(
        without_keys(settings),
        on_event=progress.say if tell else _nothing,
        host="127.0.0.1",
        port=0,
        policy=policy,
        strict=True,  # A measurement without one of its experts would be wrong.
        stored_keys=False,
    )
    try:
        yield service
    finally:
        progress.doing("stopping the service")
        await service.stop()


def without_keys(settings: Config) -> Config:
    """For our own questions, no API key is needed."""
    alone: dict[str, object] = {"api_keys": {}, "admin": None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=alone)})


def without_routers(settings: Config) -> Config:
    """Where only experts are asked, no router needs its outcome table."""
    return settings.model_copy(update={"routers": {}, "aggregators": {}, "compositions": {}})


def _nothing(event: str) -> None:
    """Nobody listens."""
