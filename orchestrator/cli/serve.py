"""`coterie serve`: the service in this process, until a signal ends it."""

import asyncio
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from experts.errors import CoterieError
from orchestrator.cli import logs, running
from orchestrator.cli.notify import READY, STOPPING, notify
from orchestrator.cli.signals import Interrupted, StopSignals
from orchestrator.config.model import Config
from orchestrator.reload.config_file import ConfigFile
from orchestrator.reload.watching import watch

if TYPE_CHECKING:
    from orchestrator.reload.introducing import Introduce
    from orchestrator.reload.reloader import Reloader
    from orchestrator.server.bodies.reload import Probed
    from orchestrator.service import Service

log = logging.getLogger("coterie.service")


def serve(
    config: Path,
    host: str | None,
    port: int | None,
    log_level: str,
    log_format: str,
    strict: bool,
    workers: int = 1,
    watch_s: float | None = None,
    introduce: str | None = None,
) -> None:
    """Serve a configuration with so many gateways.

    They look every `watch_s` seconds whether its file has changed. `introduce` names, as
    `module:name`, what asks an expert that is added by a call its probe questions.

    Raises ConfigError, ServiceError; if `strict`, ExpertUnavailable.
    """
    logs.configure(log_level, log_format, sys.stdout)
    file = ConfigFile(config, partial(with_store, file=config))
    if workers > 1:
        from orchestrator.cli.workers.parent import serve_workers  # noqa: PLC0415

        code = serve_workers(file, host, port, log_level, log_format, strict, workers, watch_s)
    else:
        code = uvloop.run(_serve(file, host, port, strict, watch_s, introduce))
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
    return settings.model_copy(update={"store": f"sqlite:{path}"})


def usual_store(file: Path) -> Path:
    """Where a service keeps what outlives it, if its configuration does not say."""
    given = os.environ.get("XDG_STATE_HOME", "")
    home = Path(given) if given else Path.home() / ".local" / "state"
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    return home / "coterie" / f"{file.stem}-{digest}.db"


def tell_store(file: ConfigFile) -> None:
    """Where it is, if nobody has said where."""
    path = usual_store(file.path)
    if file.started.config.store == f"sqlite:{path}":
        log.info("store: %s (set `store` to keep it elsewhere, or to `memory`)", path)


async def _serve(
    file: ConfigFile,
    host: str | None,
    port: int | None,
    strict: bool,
    watch_s: float | None,
    introduce: str | None,
) -> int:
    """Serve until a signal comes; returns the exit code."""
    config = file.started.config
    tell_store(file)
    log.info("starting: experts %s", ", ".join(config.experts))
    # Imported only now: a mistake in the configuration does not wait for the rest.
    from orchestrator.service import start_service  # noqa: PLC0415

    starting = start_service(
        config,
        on_event=log.info,
        host=host,
        port=port,
        strict=strict,
        file=file,
        introduce=None if introduce is None else _late(introduce),
    )
    return await serve_until_told(starting, _greet, watch_s)


def _late(target: str) -> "Introduce":
    """A coroutine function by its name; its module is imported when it is called, in a thread."""

    async def introduce(*arguments: Any) -> "Probed":
        made = await asyncio.to_thread(running.call, target, *arguments)
        probed: Probed = await made
        return probed

    return introduce


async def serve_until_told(
    starting: "Coroutine[Any, Any, Service]",
    greet: Callable[["Service"], None],
    watch_s: float | None,
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
        following = [asyncio.create_task(_reload_on_signals(service.reloader, signals))]
        if watch_s is not None:
            reloader, pause = service.reloader, partial(asyncio.sleep, watch_s)
            looking = watch(reloader.stamp, reloader.reload, pause, reloader.first_stamp)
            following.append(asyncio.create_task(looking))
        try:
            await _until_the_end(service, signals)
        finally:
            for task in following:
                task.cancel()
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
    notify(READY)


async def _reload_on_signals(reloader: "Reloader", signals: StopSignals) -> None:
    """Every SIGHUP is a reload; those that come during one are one more."""
    while True:
        await signals.hung_up()
        try:
            await reloader.reload()
        except CoterieError:
            continue  # It is in the log, and the one that ran before goes on.
        except Exception:
            log.exception("the reload broke off")


async def _until_the_end(service: "Service", signals: StopSignals) -> None:
    """Wait for a signal, then for the answers in flight."""
    ends = [asyncio.create_task(one) for one in (signals.wait(), service.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    ends[0].cancel()
    if signals.first is None:
        return  # The listener has ended by itself.
    notify(STOPPING)
    log.info(
        "%s: draining; requests in flight: %d, bound: %g s; a second signal ends it at once",
        signal.Signals(signals.first).name,
        service.in_flight,
        service.config.server.drain_timeout_s,
    )
    if late := await service.drain():
        requests = "1 request" if late == 1 else f"{late} requests"
        log.warning("%s did not end in time (server.drain_timeout_s)", requests)
