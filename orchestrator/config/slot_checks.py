"""Checks of all slots together: whether the pinned experts fit in, and the machine has enough."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from experts.footprint.device import expected
from experts.footprint.plan import EMPTY_PROCESS_GB, GIB, Footprint
from experts.spec import ExpertSpecBase, HostedSpec
from orchestrator.config.slots_section import SlotsConfig

_DEVICES = Path("/dev")
_GPU_FILES = "nvidia[0-9]*"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has."""

    memory_gb: float
    gpus: int


def this_machine() -> Machine:
    """The one that this process runs on."""
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    return Machine(memory_gb, len(list(_DEVICES.glob(_GPU_FILES))))


def room_gb(slots: SlotsConfig) -> float:
    """What one slot has for its engines, in GiB."""
    empty_gb = EMPTY_PROCESS_GB if expected(slots.gpus).kind == "cpu" else 0.0
    return max(slots.memory_gb - empty_gb, 0.0)


def check_pins(
    experts: Mapping[str, ExpertSpecBase], slots: SlotsConfig, found: Mapping[str, Footprint]
) -> Iterator[str]:
    """Pinned experts that cannot all stay: they are put where most is free, as at the start."""
    taken = {name: gb for name, gb in _pinned(experts, found) if gb <= room_gb(slots)}
    free = [room_gb(slots)] * slots.count
    for name, gb in taken.items():
        place = free.index(max(free))
        free[place] -= gb
        if free[place] < 0:
            listed = ", ".join(f"{one} {size:.2f} GB" for one, size in taken.items())
            yield (
                f"experts.{name}.pin: the pinned experts ({listed}) cannot all stay in"
                f" {slots.count} slot{'s' if slots.count > 1 else ''} with"
                f" {room_gb(slots):.2f} GB for experts each; raise slots.memory_gb or slots.count,"
                " or pin fewer."
            )
            return


def _pinned(
    experts: Mapping[str, ExpertSpecBase], found: Mapping[str, Footprint]
) -> Iterator[tuple[str, float]]:
    """The pinned experts, each with the memory that it takes."""
    for name, footprint in found.items():
        spec = experts[name]
        if isinstance(spec, HostedSpec) and spec.pin:
            yield name, spec.memory_gb or footprint.total_gb


def warnings(slots: SlotsConfig, machine: Machine) -> Iterator[str]:
    """What the slots ask for and the machine lacks; the service may run on another one."""
    other = "; that is right only if the service runs on another one"
    asked_gpus = slots.most * (slots.gpus or 0)
    if asked_gpus > machine.gpus:
        yield f"slots.gpus: {asked_gpus:g} in all, and this machine has {machine.gpus}{other}"
    memory_gb = slots.most * slots.memory_gb
    if expected(slots.gpus).kind == "cpu" and memory_gb > machine.memory_gb:
        yield (
            f"slots.memory_gb: {memory_gb:.0f} GB in all, and this machine has"
            f" {machine.memory_gb:.0f}{other}"
        )
