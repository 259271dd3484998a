"""Whether the file of a fitted router knows anybody of the pool: read before anything is loaded."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from experts.errors import ConfigError
from routers.fitted.artifact import Artifact
from routers.fitted.fitted_config import FittedConfig
from routers.fitted.saved_router import check_made_for

_COLUMN = "expert"


def stranger(name: str, config: FittedConfig, experts: Sequence[str]) -> str | None:
    """Why the router called `name` could choose none of the experts, with the key; None: it can.

    A file that cannot be read at all is left to whoever reads the rest of it.
    """
    try:
        if config.artifact is not None:
            where = f"routers.{name}.artifact: {config.artifact}"
            words = Artifact.read(config.artifact).words
            check_made_for(words, config, where, name, experts)
            return None
        named = pq.read_table(config.outcomes, columns=[_COLUMN], partitioning=None)
        known = sorted(set(named.column(_COLUMN).unique().to_pylist()))
    except ConfigError as error:
        return str(error)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None
    if set(known) & set(experts):
        return None
    return (
        f"routers.{name}.outcomes: {config.outcomes} knows none of the experts"
        f" ({', '.join(experts)}), but {', '.join(map(str, known)) or 'nobody'}."
        " `coterie profile --config FILE` asks those of this file."
    )
