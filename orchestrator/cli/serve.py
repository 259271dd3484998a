"""`coterie serve`: the service in this process, until a signal ends it."""

import asyncio
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from orchestrator.cli import logs
from orchestrator.cli.signals import Interrupted, StopSignals
from orchestrator.config.model import Config, load_config

if TYPE_CHECKING:
    from orchestrator.service import Service

log = logging.getLogger("coterie.service")


def serve(
    config: Path,
    host: str | None,
    port: int | None,
    log_level: str,
    log_format: str,
    strict: bool,
    workers: int,
) -> None:
    """Serve a configuration. Raises ConfigError, ServiceError; if `strict`, ExpertUnavailable."""
    logs.configure(log_level, log_format, sys.stdout)
    settings = with_store(load_config(config), config)
    if workers > 1:
        from orchestrator.cli.workers.parent import serve_workers  # noqa: PLC0415

        code = serve_workers(settings, host, port, log_level, log_format, strict, workers)
    else:
        code = uvloop.run(_serve(settings, host, port, strict))
    if code:
        raise SystemExit(code)


def with_store(settings: Config, file: Path) -> Config:
    """Where nothing is said of a store: a file of this user's, so that a restart loses nothing.

    One for each configuration. Where the user has no such folder, it is forgotten with the process.
    """
    if "store" in settings.model_fields_set:
        return settings
    path = usual_store(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        log.warning("store: memory, since %s cannot be written (%s)", path, error.strerror)
        return settings
    log.info("store: %s (set `store` to keep it elsewhere, or to `memory`)", path)
    return settings.model_copy(update={"store": f"sqlite:{path}"})


def usual_store(file: Path) -> Path:
    """Where a service keeps what outlives it, if its configuration does not say."""
    given = os.environ.get("XDG_STATE_HOME", "")
    home = Path(given) if given else Path.home() / ".local" / "state"
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    return home / "coterie" / f"{file.stem}-{digest}.db"


async def _serve(config: Config, host: str | None, port: int | None, strict: bool) -> int:
    """Serve until a signal comes; returns the exit code."""
    log.info("starting: experts %s", ", ".join(config.experts))
    # Imported only now: a mistake in the configuration does not wait for the rest.
    from orchestrator.service import start_service  # noqa: PLC0415

    starting = start_service(config, on_event=log.info, host=host, port=port, strict=strict)
    return await serve_until_told(starting, _greet)


async def serve_until_told(
    starting: "Coroutine[Any, Any, Service]", greet: Callable[["Service"], None]
) -> int:
    """Start a service, greet, and serve until a signal comes; returns the exit code."""
    logs.adopt_libraries()
    with StopSignals() as signals:
        try:
            service = await signals.unless_asked(starting)
        except Interrupted:
            log.info("stopped before it was ready")
            return signals.exit_code
        logs.adopt_libraries()
        greet(service)
        try:
            await _until_the_end(service, signals)
        finally:
            await service.stop()
            log.info("stopped")
    return 0


def _greet(service: "Service") -> None:
    config = service.config
    for expert, reason in service.failed.items():
        log.warning("%s is not served until a later load succeeds: %s", expert, reason)
    log.info("models: %s", ", ".join([*config.compositions, *config.experts]))
    if service.admin_url is not None:
        log.info("administration: %s", service.admin_url)
    log.info("ready: %s/v1", service.base_url)


async def _until_the_end(service: "Service", signals: StopSignals) -> None:
    """Wait for a signal, then for the answers in flight."""
    ends = [asyncio.create_task(one) for one in (signals.wait(), service.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    ends[0].cancel()
    if signals.first is None:
        return  # The listener has ended by itself.
    log.info(
        "%s: draining; requests in flight: %d, bound: %g s; a second signal ends it at once",
        signal.Signals(signals.first).name,
        service.in_flight,
        service.config.server.drain_timeout_s,
    )
    if late := await service.drain():
        requests = "1 request" if late == 1 else f"{late} requests"
        log.warning("%s did not end in time (server.drain_timeout_s)", requests)
