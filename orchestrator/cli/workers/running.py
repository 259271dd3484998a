"""What the workers serve, for one that starts later: the file may say something else by then."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.config.model import Config
from orchestrator.reload.config_file import ConfigFile, Version

KEPT = "running.json"
"""In the parent's folder, which is for its user alone."""


class RunningFile(ConfigFile):
    """The configuration's file, and what was taken over from it last, whoever of them did.

    That is kept as it is written in the file: with references to the environment, and no values.
    """

    def __init__(self, path: Path, settle: Callable[[Config], Config], folder: Path) -> None:
        """`folder` is where workers leave it for each other. Raises ConfigError."""
        self._kept = folder / KEPT
        self._found: dict[str, Any] = json.loads(self._kept.read_text(encoding="utf-8"))
        super().__init__(path, settle)
        self.generation, self.first_stamp = self._found["generation"], self._found["stamp"]

    def _first(self) -> Version:
        return self._version(self._found["written"])

    def now_runs(self, version: Version, generation: int) -> None:
        """Leave it for workers to come."""
        keep(self._kept, version, generation, self.stamp(version))


def keep(path: Path, version: Version, generation: int, stamp: str) -> None:
    """Leave it in one step: a worker may read it at any time, and another one write it."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    tree = {"generation": generation, "stamp": stamp, "written": version.written}
    new.write_text(json.dumps(tree, default=str), encoding="utf-8")
    new.replace(path)
