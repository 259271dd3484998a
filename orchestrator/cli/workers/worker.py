"""One of several gateways that accept connections on the same port, in a process of its own."""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from experts.errors import CoterieError
from orchestrator.cli import logs
from orchestrator.cli.notify import VARIABLE
from orchestrator.cli.serve import serve_until_told
from orchestrator.cli.workers.running import RunningFile
from orchestrator.config.model import Config, RayConfig
from orchestrator.residency.ray_folder import die_with_parent

if TYPE_CHECKING:
    from orchestrator.service import Service

log = logging.getLogger("coterie.service")


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker is told at its start."""

    number: int
    path: Path
    """Of the configuration."""
    store: str
    ray: RayConfig
    """What the parent has made of `ray`."""
    taken: Sequence[socket.socket]
    """That it accepts connections on: everybody's, then that of administrators, if any."""
    log_level: str
    log_format: str
    strict: bool
    watch_s: float | None
    folder: Path
    """Where they find each other."""

    def prepared(self, config: Config) -> Config:
        """With what all workers share."""
        return config.model_copy(update={"store": self.store, "ray": self.ray})


def work(plan: WorkerPlan, ready: Connection) -> None:
    """Serve until SIGTERM; tells by `ready` the experts that could not be loaded, then."""
    die_with_parent()
    os.setpgrp()  # Ctrl-C is for the parent, which tells its workers.
    os.environ.pop(VARIABLE, None)  # As it tells systemd.
    logs.configure(plan.log_level, plan.log_format, sys.stdout)
    try:
        raise SystemExit(uvloop.run(_work(plan, ready)))
    except CoterieError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


async def _work(plan: WorkerPlan, ready: Connection) -> int:
    from orchestrator.server.telemetry.siblings import Siblings  # noqa: PLC0415
    from orchestrator.service import start_service  # noqa: PLC0415

    def greet(service: "Service") -> None:
        log.info("worker %d is ready", plan.number)
        ready.send(dict(service.failed))
        ready.close()

    # What is loaded, one worker tells for all.
    tell = log.info if plan.number == 1 else log.debug
    siblings = Siblings(plan.folder, plan.number)
    file = RunningFile(plan.path, plan.prepared, plan.folder)
    starting = start_service(
        file.started.config,
        on_event=tell,
        strict=plan.strict,
        taken=plan.taken,
        siblings=siblings,
        file=file,
    )
    return await serve_until_told(starting, greet, plan.watch_s)
