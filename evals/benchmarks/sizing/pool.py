"""What a pool consists of: each engine's memory and costs, and what a slot offers. No effects."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from experts.errors import ConfigError
from experts.footprint.device import Device
from experts.footprint.plan import EMPTY_PROCESS_GB, Footprint
from orchestrator.config.model import Config
from orchestrator.residency.engines import planned_loads
from orchestrator.residency.machine.filling import Wanted, places
from orchestrator.residency.machine.policy import Rules

ASLEEP_GB = 1.15
"""What an engine that sleeps keeps of its GPU: measured on an H200 (docs/measurements.md)."""
SLEEP_S, DROP_S = 0.13, 6.7
"""To fall asleep at level 1, and to unload, there."""
LEAST_WAKE_S = 0.05
"""What the smallest model takes there to wake."""
START_S = {"cuda": 89.0, "cpu": 0.5}
"""A cold load less the reading of its weights: on the H200 with empty caches; of the zoo."""
LOAD_GB_S, WAKE_GB_S, REREAD_GB_S = 0.85, 37.5, 4.65
"""Weights from disk, from host memory (level 1), and from the file cache (level 2), there."""
LEAVE_S = 0.1
"""To leave a process on a CPU."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """What moves of engines are taken to cost that nobody has measured, in seconds and GiB/s."""

    start_s: float | None = None
    load_gb_s: float = LOAD_GB_S
    wake_gb_s: float = WAKE_GB_S


@dataclass(frozen=True, slots=True)
class Engine:
    """An expert with weights of its own, and those that share it."""

    name: str
    limits: Mapping[str, int]
    """Expert -> requests of it that one replica serves at once."""
    max_queued: Mapping[str, float]
    memory_gb: float
    weights_gb: float
    load_s: float
    """Cold, in a slot that has not had it or has dropped it."""
    wake_s: float
    """From its sleep; on a CPU, in a process that has had it."""
    leave_s: float
    drop_s: float
    """Gone for good, where the other is to fall asleep."""
    first: bool = False
    """It is loaded at the start before all others: pinned, or to be preloaded."""
    pinned: bool = False
    max_idle_s: float = math.inf
    measured: tuple[str, ...] = ()
    """Of its costs, those that a service has measured."""


@dataclass(frozen=True, slots=True)
class Pool:
    """All engines, and what every slot has for them."""

    engines: tuple[Engine, ...]
    slot_gb: float
    device: Device
    rules: Rules
    bounds_s: Mapping[str, float]
    """Class -> its age bound; infinite where it has none."""
    base_gb: float = 0.0
    sleep_level: int = 0
    asleep_gb: float = 0.0
    host_gb: float = 0.0
    preload: bool = True

    @property
    def on_gpu(self) -> bool:
        """Whether slots are GPUs."""
        return self.device.kind == "cuda"

    @property
    def engine_of(self) -> dict[str, int]:
        """Expert -> its engine's number."""
        return {name: n for n, engine in enumerate(self.engines) for name in engine.limits}

    @property
    def room_gb(self) -> float:
        """What a slot has for engines."""
        return self.slot_gb - self.base_gb

    def places(self, slots: int, *, all_of_them: bool = False) -> Mapping[str, int]:
        """Engine -> the slot where a service's start loads it; `all_of_them`: whatever it says."""
        wanted = [
            Wanted(engine.name, engine.memory_gb, engine.first)
            for engine in self.engines
            if engine.first or self.preload or all_of_them
        ]
        return places(wanted, [self.room_gb] * slots)

    def holds_all(self, slots: int) -> bool:
        """Whether a start could find room for every engine."""
        return len(self.places(slots, all_of_them=True)) == len(self.engines)

    @property
    def measured(self) -> int:
        """Engines whose load was measured."""
        return sum("load_s" in engine.measured for engine in self.engines)


def pool_of(
    config: Config, device: Device, known: Mapping[str, Mapping[str, Any]], estimates: Estimates
) -> Pool:
    """The pool of a configuration, with costs that are `known` from its services.

    Raises ConfigError for an engine that no slot can hold, or whose size nobody knows.
    """
    slots, on_gpu = config.slots, device.kind == "cuda"
    planned = planned_loads(config.hosted(), slots, device)
    level = slots.sleep_level if on_gpu else 0
    engines = []
    for name, (load, found) in planned.items():
        _check_known(name, found, config)
        engine = _engine(name, load.experts, load.memory_gb, found, config)
        costs = _costs(engine, level, on_gpu, known.get(name, {}), estimates)
        engines.append(replace(engine, **costs))
    pool = Pool(
        tuple(engines),
        slots.memory_gb,
        device,
        Rules(slots.stage_loads, slots.rate_window_s, slots.prefetch),
        {n: math.inf if c.max_wait_s is None else c.max_wait_s for n, c in config.classes.items()},
        0.0 if on_gpu else EMPTY_PROCESS_GB,
        level,
        min(ASLEEP_GB, slots.sleeping_gb) if level else 0.0,
        slots.host_memory_gb,
        slots.preload,
    )
    _check_fits(pool)
    return pool


def _engine(
    name: str, experts: tuple[str, ...], memory_gb: float, found: Footprint, config: Config
) -> Engine:
    spec = config.hosted()[name]
    return Engine(
        name,
        {one: config.experts[one].max_in_flight for one in experts},
        {one: float(config.experts[one].max_queued) for one in experts},
        memory_gb,
        found.weights_gb or memory_gb,
        *(0.0, 0.0, 0.0, 0.0),
        first=spec.preload or spec.pin,
        pinned=spec.pin,
        max_idle_s=spec.max_idle_s or math.inf,
    )


def _costs(
    engine: Engine, level: int, on_gpu: bool, known: Mapping[str, Any], estimates: Estimates
) -> dict[str, Any]:
    start_s = START_S["cuda" if on_gpu else "cpu"]
    start_s = start_s if estimates.start_s is None else estimates.start_s
    load_s = start_s + engine.weights_gb / estimates.load_gb_s
    per_s = estimates.wake_gb_s if level == 1 else REREAD_GB_S
    asleep_s = max(engine.weights_gb / per_s, LEAST_WAKE_S)
    found = {
        "load_s": load_s,
        "wake_s": asleep_s if level else load_s,
        "leave_s": SLEEP_S if level else (DROP_S if on_gpu else LEAVE_S),
        "drop_s": DROP_S if on_gpu else LEAVE_S,
    }
    measured = {key: float(known[key]) for key in ("load_s", "wake_s", "leave_s") if key in known}
    if "load_s" in measured and "wake_s" not in measured and not level:
        found["wake_s"] = measured["load_s"]
    if "leave_s" in measured and not level:
        found["drop_s"] = measured["leave_s"]
    return {**found, **measured, "measured": tuple(sorted(measured))}


def _check_known(name: str, found: Footprint, config: Config) -> None:
    if found.weights_gb or config.hosted()[name].memory_gb is not None:
        return
    raise ConfigError(
        f"experts.{name}: how much memory it takes is not known, since its files are not here.",
        hint=f"Give experts.{name}.memory_gb, or name the folder of its model.",
    )


def _check_fits(pool: Pool) -> None:
    """Raises ConfigError with every engine that is too large by itself, and with pins that are."""
    where = "GPU" if pool.on_gpu else "slot"
    several = f" {pool.device.gpus} GPUs" if pool.device.gpus > 1 else f" a {where}"
    problems = [
        f"experts.{engine.name}: takes {engine.memory_gb:.1f} GB, more than the {pool.room_gb:.1f}"
        f" GB that{several} has for engines; no number of them is enough"
        for engine in pool.engines
        if engine.memory_gb > pool.room_gb
    ]
    if problems:
        more = "--gpu-memory, or slots.gpus for tensor parallelism" if pool.on_gpu else "memory_gb"
        raise ConfigError(
            f"{len(problems)} of the pool's {len(pool.engines)} engines can never be loaded.",
            problems=tuple(problems),
            hint=f"Raise {more}, or quantise them.",
        )
