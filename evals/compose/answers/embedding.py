"""The questions' vectors, which take longest: they can be kept in a file."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.compose.steps import Doing
from experts.errors import ConfigError
from routers.base import Encoder

AT_ONCE = 256


def embedded(
    texts: Sequence[str],
    encoder: Encoder,
    file: Path | None,
    doing: Doing,
) -> NDArray[np.float32]:
    """[N, dimension]. Read from the file (.npz) if it is there and holds these texts' vectors.

    Otherwise computed, and written to the file. Raises ConfigError for a file that is something
    else.
    """
    digest = _digest(texts, encoder)
    if file is not None and (known := _read(file, digest)) is not None:
        return known
    found = []
    for start in range(0, len(texts), AT_ONCE):
        doing(f"embedding {len(texts)} questions", start, len(texts))
        found.append(encoder.encode(texts[start : start + AT_ONCE]))
    vectors = np.concatenate(found)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            np.savez(out, vectors=vectors, digest=np.array(digest))
    return vectors


def _read(file: Path, digest: str) -> NDArray[np.float32] | None:
    if not file.exists():
        return None
    try:
        with np.load(file) as stored:
            if str(stored["digest"]) != digest:
                return None
            return np.asarray(stored["vectors"], dtype=np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, AttributeError) as error:
        raise ConfigError(
            f"{file} is not a file of vectors ({' '.join(str(error).split())}).",
            hint="Remove it, or name another one: it is written anew.",
        ) from error


def _digest(texts: Sequence[str], encoder: Encoder) -> str:
    found = hashlib.sha256(encoder.name.encode())
    for one in texts:
        found.update(hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest())
    return found.hexdigest()
