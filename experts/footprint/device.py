"""What engines run on: a CPU or a GPU, and which number formats it computes quickly."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

CPU_INFO = Path("/proc/cpuinfo")
QUICK_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of CPUs that multiply bfloat16 in hardware (x86, x86, Arm)."""


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of device; all slots have the same."""

    kind: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = True
    """Whether it multiplies bfloat16 in hardware."""
    gpus: int = 1
    """GPUs of each slot, over which an engine is spread."""


@cache
def this_cpu() -> Device:
    """The CPU of this machine."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return Device("cpu", bf16=False)
    return Device("cpu", has_bf16(text.splitlines()))


def has_bf16(lines: Iterable[str]) -> bool:
    """Whether the lines of /proc/cpuinfo name an instruction for bfloat16."""
    flags = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "feat")))
    return not QUICK_BF16.isdisjoint(next(flags, "").split())


def expected(gpus: float | None) -> Device:
    """The device that `slots.gpus` means on this machine, before Ray has been asked."""
    if gpus is None:
        gpus = 1.0 if Path("/dev/nvidia0").exists() else 0.0
    return on_gpus(gpus) if gpus else this_cpu()


def on_gpus(gpus: float) -> Device:
    """A slot with so many GPUs, as Ray counts them."""
    return Device("cuda", bf16=True, gpus=max(1, int(gpus)))
