"""A fitted router as one file: arrays and JSON in safetensors, replaced in one step, no pickle."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from experts.errors import ConfigError

FORMAT = "coterie.router/1"
HINT = "`coterie router fit NAME --config FILE` writes a new one."


@dataclass(frozen=True, eq=False)
class Artifact:
    """What is stored of a router: arrays, and `words`, which is plain JSON."""

    words: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that a reader sees the old router or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        words = {"format": FORMAT, "words": json.dumps(self.words, ensure_ascii=False)}
        try:
            arrays = {key: np.ascontiguousarray(array) for key, array in self.arrays.items()}
            save_file(arrays, temporary, metadata=words)
            temporary.chmod(0o644)  # mkstemp makes files that only their owner may read.
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # Still there only where something failed.

    @classmethod
    def read(cls, path: Path) -> "Artifact":
        """Read a file. Raises ConfigError, with the path and what to do."""
        try:
            with safe_open(path, framework="numpy") as stored:
                metadata = stored.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ConfigError(f"{path} is not a router that this version wrote.", hint=HINT)
                arrays = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
            return cls(json.loads(metadata["words"]), arrays)
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: there is no fitted router.", hint=HINT) from error
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            message = f"{path} cannot be read as a router ({' '.join(str(error).split())})."
            raise ConfigError(message, hint=HINT) from error
