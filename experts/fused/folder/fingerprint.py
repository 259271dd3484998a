"""What tells one version of a checkpoint from another, without reading all of it."""

import hashlib
from pathlib import Path

from experts.errors import ConfigError
from experts.fused.folder.composite import Composite
from experts.fused.folder.member import member_folder

EDGE_BYTES = 1 << 20
"""Weights can be tens of gigabytes; a retrained model differs in the first and last bytes too."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights."""
    return sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern))


def fingerprint(folder: Path) -> str:
    """Hash the configuration, and the weights' names, sizes, first and last bytes."""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE_BYTES))
            file.seek(max(size - EDGE_BYTES, 0))
            digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()[:16]


def check_members(composite: Composite, folder: Path) -> dict[str, Path]:
    """Find the checkpoint of every member of the fused folder, by name.

    Raises ConfigError where one is missing, or has changed since the composite was trained.
    """
    places = {name: member_folder(folder, member) for name, member in composite.members.items()}
    for name, place in places.items():
        if not (place / "config.json").is_file():
            raise ConfigError(f"Member {name} of {folder} is missing: {place}")
        expected = composite.members[name].fingerprint
        if expected and expected != fingerprint(place):
            raise ConfigError(
                f"Member {name} of {folder} no longer has the weights the composite was made for.",
                hint="Train and write the composite again.",
            )
    return places
