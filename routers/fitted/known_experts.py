"""Whether the file of a fitted router knows anybody of the pool: read before anything is loaded."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from experts.errors import ConfigError
from routers.fitted.artifact import Artifact
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.saved_router import check_encoded_by, check_made_for

_COLUMN = "expert"


def stranger(name: str, config: FittedConfig, experts: Sequence[str], vectors: str) -> str | None:
    """Why the router called `name` could choose none of the experts, with the key; None: it can.

    `vectors` is the name of what its encoder makes, which must be that of its artifact.

    A file that cannot be read at all is left to whoever reads the rest of it.
    """
    if config.artifact is not None:
        return _of_artifact(name, config, config.artifact, experts, vectors)
    try:
        named = pq.read_table(config.outcomes, columns=[_COLUMN], partitioning=None)
        known = sorted(set(named.column(_COLUMN).unique().to_pylist()))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None
    if set(known) & set(experts):
        return None
    return (
        f"routers.{name}.outcomes: {config.outcomes} knows none of the experts"
        f" ({', '.join(experts)}), but {', '.join(map(str, known)) or 'nobody'}."
        " `coterie profile --config FILE` asks those of this file."
    )


def _of_artifact(
    name: str, config: FittedConfig, path: Path, experts: Sequence[str], vectors: str
) -> str | None:
    try:
        words = Artifact.read(path).words
    except ConfigError:
        return None
    where = f"routers.{name}.artifact: {path}"
    try:
        check_made_for(words, config, where, name, experts)
        check_encoded_by(words, where, name, vectors)
    except ConfigError as error:
        return str(error)
    except (KeyError, TypeError):
        return None
    return None
