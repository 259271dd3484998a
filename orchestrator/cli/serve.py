"""`coterie serve`: the service in this process, until a signal ends it."""

import logging
import sys
from pathlib import Path

import uvloop

from orchestrator.cli import logs
from orchestrator.config.model import Config, load_config

log = logging.getLogger("coterie.service")


def serve(
    config: Path, host: str | None, port: int | None, log_level: str, log_format: str
) -> None:
    """Serve a configuration. Raises ConfigError, ServiceError."""
    logs.configure(log_level, log_format, sys.stdout)
    uvloop.run(_serve(load_config(config), host, port))


async def _serve(config: Config, host: str | None, port: int | None) -> None:
    log.info("starting: experts %s", ", ".join(config.experts))
    # Imported only now: a mistake in the configuration does not wait for Ray and torch.
    from orchestrator.service import start_service  # noqa: PLC0415

    logs.adopt_libraries()
    service = await start_service(config, on_event=log.info, host=host, port=port)
    logs.adopt_libraries()
    log.info("models: %s", ", ".join([*config.compositions, *config.experts]))
    log.info("ready: %s/v1", service.base_url)
    try:
        await service.wait()
    finally:
        await service.stop()
        log.info("stopped")
