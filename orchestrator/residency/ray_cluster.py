"""Joins a Ray cluster, or starts a Ray of our own on this machine, and ends it without a trace."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
from ray._private import ray_constants
from ray._private.state import actors
from ray.actor import ActorHandle

from experts.errors import ServiceError
from orchestrator.config.model import RayConfig, SlotsConfig
from orchestrator.residency.ray_folder import RayFolder, Watchdog
from orchestrator.residency.slot import LOOPBACK

OBJECT_STORE_BYTES = 80 << 20
"""Control messages only: tokens never pass through Ray."""
_QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}


class _Local:
    """The Ray that was started here, if any: its folder, and what cleans up behind it."""

    held: tuple[RayFolder, Watchdog] | None = None


def connect(ray_config: RayConfig, slots: SlotsConfig) -> None:
    """Join the configured Ray, or start one here. Blocks for seconds; raises ServiceError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What Ray will do anyway, said now so that it does not warn: no GPUs asked for, none seen.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    # Ray would run workers at niceness 15, and everything else on the machine before them.
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        with _own_signals():
            if ray_config.address is None:
                _start_here(slots)
            else:
                _reachable(ray_config.address)
                local = ray_config.address.startswith(f"{LOOPBACK}:")
                with _on_loopback() if local else nullcontext():
                    ray.init(address=ray_config.address, **_QUIET)
    except (OSError, RuntimeError, ValueError, ray.exceptions.AuthenticationError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        if ray_config.address is None:
            raise ServiceError(f"Ray did not start on this machine: {why}.") from error
        raise ServiceError(
            f"Ray is not reachable at {ray_config.address}: {why}.",
            hint="Correct `ray.address`, and set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN if it wants"
            " a token; without `ray.address`, Ray is started on this machine.",
        ) from error


def _start_here(slots: SlotsConfig) -> None:
    """Start Ray on loopback, in a folder of its own."""
    folder = RayFolder()
    watchdog = Watchdog(folder.path)
    try:
        folder.remove_stale()
        with _on_loopback():
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, slots.most * slots.cpus),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address=LOOPBACK,
                _temp_dir=str(folder.path),
                **_QUIET,
            )
    except BaseException:
        watchdog.end()
        folder.remove()
        raise
    _Local.held = folder, watchdog


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make Ray listen where only this machine reaches it, as it does on macOS.

    On Linux it takes the machine's own address, even where it is told to take 127.0.0.1.
    """
    name, before = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name] = "0"  # For the processes that Ray starts.
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        del os.environ[name]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Undo that Ray takes SIGTERM for itself, where a handler was set before."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _reachable(address: str) -> None:
    """Fail in seconds, with one line, where Ray's client would retry for minutes."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{address} is not HOST:PORT")
    socket.create_connection((host, int(port)), timeout=5).close()


def address() -> str:
    """HOST:PORT of the Ray that this process has joined or started."""
    found: str = ray.get_runtime_context().gcs_address
    return found


def has_process(actor: ActorHandle) -> bool:
    """Whether Ray has found a process for an actor that it makes, though that is not ready yet."""
    told = actors(actor._actor_id.hex())
    return bool(told.get("State") == "PENDING_CREATION" and told["Address"]["Port"] != 0)


def node_resources() -> list[dict[str, float]]:
    """What each node that lives has of CPUs, GPUs and memory."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def own_folder() -> str | None:
    """The folder of a Ray that was started here, which is removed with it; None for another's."""
    return None if _Local.held is None else str(_Local.held[0].path)


def disconnect() -> None:
    """Leave Ray; one that was started here ends with all its processes, and leaves no files."""
    ray.shutdown()
    held, _Local.held = _Local.held, None
    if held is not None:
        folder, watchdog = held
        watchdog.end()
        folder.remove()
