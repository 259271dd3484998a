"""What tells the answers of one configuration, with its weights and tables, from any other's."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from experts.files.versions import told_versions
from orchestrator.config.model import Config

_RUNNING = ("coterie", "vllm")
"""Packages whose versions may change what the same weights say."""
_CHOOSING = {"routers", "aggregators", "compositions"}


@dataclass(frozen=True, slots=True)
class Versions:
    """Short texts that change whenever answers may."""

    experts: Mapping[str, str]
    pool: str
    """Of everything that is no single expert."""

    def of(self, model: str) -> str:
        """The version of what answers under that name."""
        return self.experts.get(model, self.pool)


def versions_of(config: Config) -> Versions:
    """The versions of a configuration; blocks, for it reads from all weights and tables."""
    packages = [_installed(name) for name in _RUNNING]
    told, slots = told_versions(config.experts), config.slots.engine_args
    experts = {name: _digest([packages, one, slots]) for name, one in told.items()}
    chosen = config.model_dump(mode="json", include=_CHOOSING)
    prices = {name: spec.price_usd_per_mtok for name, spec in config.experts.items()}
    files = {str(path): _content(path) for path in sorted(set(_files([chosen])))}
    return Versions(experts, _digest([experts, chosen, prices, files]))


def _files(values: Any) -> Iterator[Path]:
    """The files that a part of the configuration names."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, dict | list):
            yield from _files(value)
        elif isinstance(value, str) and "/" in value and Path(value).is_file():
            yield Path(value)


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _digest(tree: Any) -> str:
    return sha256(json.dumps(tree, sort_keys=True, default=str).encode()).hexdigest()[:24]
