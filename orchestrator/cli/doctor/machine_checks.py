"""What follows from a machine's readings for a configuration: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.cli.doctor.finding import Finding, fault, ok, warning
from orchestrator.cli.doctor.interpreter import LOCKED_PYTHON, UNOPTIMIZED_COST
from orchestrator.cli.doctor.machine import SHARED_MEMORY, Disk, Gpu, Machine

SHM = str(SHARED_MEMORY)
OLDEST_PYTHON = (3, 11)
RAY_SHARE = 0.3
"""Of the memory: what a `ray start` that is told nothing takes for its objects, in /dev/shm."""
OWN_RAY_GB = 0.08
"""What the Ray that the service starts itself takes there."""
ENGINES_GB = 1.0
"""What the processes of an engine that is spread over several GPUs exchange there."""
LEAST_DISK_GB = 2.0
FULL_DISK = 0.95
"""Of a disk; beyond it Ray refuses to write to it."""
SPARE_FILES = 512
"""Open files beside connections: libraries, logs, sockets of Ray."""
HOST_SHARE = 0.9
"""Of the memory, which slots may take together: the gateway and the system need the rest."""
DRIVERS = {12: 525, 13: 580}
"""The oldest driver, by the major version of CUDA, as NVIDIA's table of compatibility has it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a configuration asks of the machine that it runs on."""

    slots: int = 0
    """Slots on this machine; 0 where they are a cluster's, or there are none."""
    cpus: int = 1
    gpus: float = 0.0
    """Of each slot."""
    memory_gb: float = 0.0
    """Of each slot; of its GPUs where it has any."""
    sleeping_gb: float = 0.0
    """Host memory of each slot for engines that sleep."""
    connections: int = 0
    """Most that are open at once: from clients and to experts."""
    joins_cluster: bool = False
    spread: bool = False
    """Whether an engine is spread over several GPUs."""


def check_machine(machine: Machine, needs: Needs) -> Iterator[Finding]:
    """Everything but the engine that is installed."""
    yield check_python(machine.python)
    yield check_python_build(machine.python_home, machine.python_is_optimized)
    yield from check_processors(machine, needs)
    yield check_memory(machine, needs)
    yield check_shared_memory(machine, needs)
    yield from map(check_disk, machine.disks)
    yield check_open_files(machine, needs)
    yield check_clock(machine.clock_is_set)


def check_python(found: tuple[int, int, int]) -> Finding:
    """Whether it is one that we run on, and the one that the locks are for."""
    words = ".".join(map(str, found))
    if found[:2] < OLDEST_PYTHON:
        return fault("python", words, "Install Python 3.11, and run `make setup` with it.")
    if found[:2] != LOCKED_PYTHON:
        return warning("python", f"{words}; the locks are for 3.11", "Use Python 3.11.")
    return ok("python", words)


def check_python_build(home: str, is_optimized: bool) -> Finding:
    """Whether the gateway, which is Python, is as fast as it can be."""
    if is_optimized:
        return ok("python build", f"optimized ({home})")
    return warning(
        "python build",
        f"{home} was built without optimizations: the gateway takes about {UNOPTIMIZED_COST:g} "
        "times the processor time",
        "`rm -r .venv && make setup PYTHON=/usr/bin/python3.11`, or first build one with "
        "PYTHON_CONFIGURE_OPTS='--enable-optimizations --with-lto' (pyenv).",
    )


def check_processors(machine: Machine, needs: Needs) -> Iterator[Finding]:
    """Cores for the slots of this machine."""
    wanted = needs.slots * needs.cpus
    found = f"{machine.cpus} cores"
    if wanted > machine.cpus:
        yield warning(
            "cpus",
            f"{found}; {'1 slot asks' if needs.slots == 1 else f'{needs.slots} slots ask'} for"
            f" {wanted}",
            "Lower slots.count or slots.cpus: slots that share a core take turns on it.",
        )
    else:
        yield ok("cpus", found)


def check_memory(machine: Machine, needs: Needs) -> Finding:
    """Host memory: for slots on a CPU, and for engines of a GPU that sleep."""
    each_gb = needs.sleeping_gb if needs.gpus else needs.memory_gb
    key = "slots.host_memory_gb" if needs.gpus else "slots.memory_gb"
    asked_gb = needs.slots * each_gb
    found = f"{machine.memory_gb:.1f} GB, {machine.free_gb:.1f} free"
    wanted = f"{found}; slots ask for {asked_gb:.1f} ({key})"
    if asked_gb > machine.memory_gb * HOST_SHARE:
        least = "Lower it, or slots.count; a tenth must be left for the gateway and the system."
        return fault("memory", wanted, least)
    if asked_gb > machine.free_gb:
        return warning("memory", wanted, "End what else uses the memory, or ask for less.")
    return ok("memory", wanted if asked_gb else found)


def check_shared_memory(machine: Machine, needs: Needs) -> Finding:
    """The shared memory, where Ray and the processes of one engine exchange data."""
    if machine.shared_gb is None:
        advice = "Mount a tmpfs there; without it Ray uses the disk, which is slow."
        return warning(SHM, "there is none", advice)
    default_gb = RAY_SHARE * machine.memory_gb
    found = f"{machine.shared_gb:.2f} GB"
    larger = "Give it more: `docker run --shm-size`, an emptyDir of medium Memory, or mount -o size"
    if needs.spread and machine.shared_gb < ENGINES_GB:
        return fault(
            SHM,
            f"{found}; an engine on several GPUs wants {ENGINES_GB:g}",
            f"{larger}.",
        )
    if needs.joins_cluster and machine.shared_gb < default_gb:
        return warning(
            SHM,
            f"{found}; a `ray start` that is told nothing wants {default_gb:.1f} (30 % of memory)",
            f"{larger}, or start Ray with --object-store-memory=80000000: no token passes there.",
        )
    if machine.shared_gb < OWN_RAY_GB:
        return warning(SHM, f"{found}; Ray wants {OWN_RAY_GB:g}", f"{larger}.")
    return ok(SHM, found)


def check_disk(disk: Disk) -> Finding:
    """Room for Ray's logs, the store, and what libraries cache."""
    found = f"{disk.free_gb:.1f} of {disk.total_gb:.1f} GB free ({disk.folder})"
    if disk.free_gb < LEAST_DISK_GB:
        advice = f"Make room: Ray and vLLM write there, and {LEAST_DISK_GB:g} GB is the least."
        return fault("disk", found, advice)
    if disk.free_gb < (1 - FULL_DISK) * disk.total_gb:
        return warning("disk", found, "Make room: Ray writes to no disk that is over 95 % full.")
    return ok("disk", found)


def check_open_files(machine: Machine, needs: Needs) -> Finding:
    """Each connection is an open file."""
    wanted = needs.connections + SPARE_FILES
    if machine.open_files >= wanted:
        return ok("open files", f"{_number(machine.open_files)} allowed")
    found = f"{machine.open_files} allowed; as many connections as the bounds let in need {wanted}"
    if machine.most_open_files >= wanted:
        advice = f"`ulimit -n {wanted}` before the service starts (LimitNOFILE= of systemd)."
    else:
        advice = f"Raise the hard limit to {wanted} (LimitNOFILE=, limits.conf), or lower the bound"
        advice += " server.max_in_flight."
    return warning("open files", found, advice)


def _number(count: int) -> str:
    return "any number" if count > 1 << 40 else str(count)


def check_clock(is_set: bool | None) -> Finding:
    """Limits of keys, deadlines and certificates go by the clock."""
    if is_set is False:
        advice = "Run chrony or systemd-timesyncd: gateways count minutes and days by the clock."
        return warning("clock", "nothing keeps it right", advice)
    return ok("clock", "kept right" if is_set else "the system does not tell whether it is right")


def check_gpus(machine: Machine, needs: Needs, cuda: int | None) -> Iterator[Finding]:
    """GPUs and their driver; `cuda` is the major version that the engine is built for."""
    asked = needs.slots * needs.gpus
    if machine.gpu_trouble:
        yield fault(
            "gpu", machine.gpu_trouble, "Install NVIDIA's driver anew, or restart the machine."
        )
    elif asked > len(machine.gpus):
        yield fault(
            "gpu",
            f"{len(machine.gpus)}; slots ask for {asked:g}",
            "Lower slots.count or slots.gpus; in a container, let it see the GPUs (--gpus all).",
        )
    elif not machine.gpus:
        yield ok("gpu", "none, and none is asked for")
    for number, gpu in enumerate(machine.gpus):
        yield check_gpu(number, gpu, needs, cuda)


def check_gpu(number: int, gpu: Gpu, needs: Needs, cuda: int | None) -> Finding:
    """One GPU: its driver, then its memory."""
    about = f"gpu {number}"
    free_gb = gpu.memory_gb - gpu.used_gb
    found = f"{gpu.name}, driver {gpu.driver}, {free_gb:.1f} of {gpu.memory_gb:.1f} GB free"
    least = DRIVERS.get(cuda or 0)
    major = gpu.driver.partition(".")[0]
    if least is not None and major.isdigit() and int(major) < least:
        return fault(
            about,
            f"{found}; CUDA {cuda} needs driver {least} or newer",
            f"Update the driver to {least} or newer.",
        )
    # Slots that take a part of a GPU share it.
    asked_gb = needs.memory_gb / min(needs.gpus, 1.0) if needs.slots and needs.gpus else 0.0
    if asked_gb > gpu.memory_gb:
        return fault(
            about,
            f"{found}; slots ask for {asked_gb:.1f}",
            f"Lower slots.memory_gb below {gpu.memory_gb * min(needs.gpus, 1.0):.0f}.",
        )
    if asked_gb > free_gb:
        return warning(
            about, f"{found}; slots ask for {asked_gb:.1f}", "End what else uses the GPU."
        )
    return ok(about, found)
