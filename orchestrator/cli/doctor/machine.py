"""What this machine has, as the operating system and `nvidia-smi` tell it."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.cli.doctor.interpreter import this_is_optimized

GIB = 1 << 30
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (Ray's and NCCL's own place)
CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's bound of memory stands: version 2 and version 1."""
CLOCK_UNSYNCHRONISED = 5
"""What adjtimex answers (TIME_ERROR) where nobody sets the clock."""
_TIMEX_BYTES = 512
"""More than a `struct timex` takes."""
_QUERY = ("name", "memory.total", "memory.used", "driver_version")
PATIENCE_S = 20.0
"""For `nvidia-smi`, which takes seconds where the driver is not kept loaded."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    memory_gb: float
    used_gb: float
    driver: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, by a folder in it."""

    folder: str
    free_gb: float
    total_gb: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that was read."""

    python: tuple[int, int, int]
    python_home: str
    """Where it is installed; an environment has it from there."""
    python_is_optimized: bool
    cpus: int
    memory_gb: float
    """What this process may use: the machine's, or its container's bound."""
    free_gb: float
    shared_gb: float | None
    """Of /dev/shm, where there is one."""
    disks: tuple[Disk, ...]
    open_files: int
    """How many this process may open; `most_open_files` is how far it may raise that."""
    most_open_files: int
    gpus: tuple[Gpu, ...]
    gpu_trouble: str = ""
    """Why `nvidia-smi` tells of none, where the machine has a device."""
    clock_is_set: bool | None = None
    """Whether something keeps the clock right; None where the system does not tell."""


def read_machine(folders: tuple[Path, ...]) -> Machine:
    """Look at this machine; `folders` are those whose disks count."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gpus, trouble = read_gpus()
    memory = psutil.virtual_memory()
    bound = min([memory.total, *_bounds()])
    return Machine(
        python=sys.version_info[:3],
        python_home=sys.base_prefix,
        python_is_optimized=this_is_optimized(),
        cpus=len(os.sched_getaffinity(0)),
        memory_gb=bound / GIB,
        free_gb=min(memory.available, bound) / GIB,
        shared_gb=shutil.disk_usage(SHARED_MEMORY).total / GIB if SHARED_MEMORY.is_dir() else None,
        disks=tuple(_disks((Path(tempfile.gettempdir()), *folders))),
        open_files=_finite(soft),
        most_open_files=_finite(hard),
        gpus=gpus,
        gpu_trouble=trouble,
        clock_is_set=_clock_is_set(),
    )


def _finite(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _bounds() -> Iterator[int]:
    for file in CGROUPS:
        with suppress(OSError, ValueError):  # "max" is no bound.
            yield int(file.read_text(encoding="ascii"))


def _disks(folders: tuple[Path, ...]) -> Iterator[Disk]:
    """Each file system once, by the first folder that lies in it."""
    seen: set[int] = set()
    for folder in folders:
        there = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
        if there is None or (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(there)
        yield Disk(str(there), usage.free / GIB, usage.total / GIB)


def read_gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs, and why none is told of although there is a device."""
    program = shutil.which("nvidia-smi")
    device = any(Path("/dev").glob("nvidia[0-9]*"))
    if program is None:
        return (), "there is a device, and no nvidia-smi" if device else ""
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"nvidia-smi cannot be run ({type(error).__name__})"
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[:200]
        return (), f"nvidia-smi fails: {said or f'exit code {done.returncode}'}"
    return tuple(gpus_of(done.stdout)), ""


def gpus_of(printed: str) -> Iterator[Gpu]:
    """The GPUs of nvidia-smi's lines; a number that it does not know counts as 0."""
    for line in printed.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_QUERY):
            name, total, used, driver = cells
            yield Gpu(name, _mib(total) / 1024, _mib(used) / 1024, driver)


def _mib(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _clock_is_set() -> bool | None:
    """Whether the kernel says that its clock is kept right, by NTP or the host."""
    adjust = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjust is None:
        return None
    state = adjust(ctypes.create_string_buffer(_TIMEX_BYTES))  # All zeros: it only reads.
    return None if state < 0 else state != CLOCK_UNSYNCHRONISED
