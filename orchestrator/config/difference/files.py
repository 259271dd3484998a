"""The files that a configuration names, and what is in them: prompts, artifacts, tables."""

import hashlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.config.difference.values import Hidden, leaves
from orchestrator.config.model import Config

ABSENT = "no file"
_Stamp = tuple[int, int, int]


def named_files(config: Config) -> dict[str, Path]:
    """Key -> file, of what routers, aggregators and engines read when they are made.

    Folders with weights are none of them: they are loaded, and too large to be looked through.
    """
    sections: dict[str, Mapping[str, Any]] = {
        "routers": config.routers,
        "aggregators": config.aggregators,
        "compositions": {n: {"aggregator": c.aggregator} for n, c in config.compositions.items()},
        "experts": {
            name: {"engine_args": getattr(spec, "engine_args", {})}
            for name, spec in config.hosted().items()
        },
    }
    return dict(_paths(sections))


def _paths(sections: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for key, leaf in leaves(sections).items():
        value = leaf.value if isinstance(leaf, Hidden) else leaf
        # Paths of files are absolute by now; a prompt that is written out may begin with a slash.
        if isinstance(value, str) and value.startswith("/") and "\n" not in value:
            path = Path(value)
            if path.suffix and not path.is_dir():
                yield key, path


@dataclass(slots=True)
class Fingerprints:
    """Digests of files; one that looks as it did is not read again."""

    _known: dict[Path, tuple[_Stamp, str]] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """The digest of a file's content; another word where it cannot be read."""
        try:
            told = path.stat()
            if not stat.S_ISREG(told.st_mode):
                return ABSENT  # Opening a pipe would wait for whoever writes to it.
            stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
            known = self._known.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError:
            return ABSENT
        self._known[path] = (stamp, digest)
        return digest

    def of_all(self, config: Config) -> dict[str, str]:
        """Key -> digest, of all files that a configuration names."""
        return {key: self.of(path) for key, path in named_files(config).items()}
