"""The columns of an outcome table: their types, the checks on them, and how they are stored."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experts.errors import ConfigError

SCHEMA = pa.schema(
    [
        ("query_id", pa.string()),
        ("task", pa.string()),
        ("query", pa.string()),
        ("expert", pa.string()),
        ("expert_version", pa.string()),
        ("score", pa.float64()),
        ("completion_tokens", pa.int64()),
        ("seconds", pa.float64()),
        ("text", pa.string()),
    ]
)
KEY = ["query_id", "expert", "expert_version"]
QUERY = ["query_id", "task", "query"]

VECTOR = "embedding"
"""The column with a query's embedding, in the first of its rows only: it is stored once."""

ENCODER = b"coterie.encoder"
"""The file's metadata key that names the encoder of the embeddings."""

SKILLS = "skills"
"""The column with a question's keywords, in the first of its rows only; a list may be empty."""

TAGGER = b"coterie.tagger"
"""The file's metadata key that names the expert that gave the keywords."""

HINT = "`coterie profile --config FILE` writes a new one."


def checked(rows: pa.Table, source: str) -> pa.Table:
    """The rows as SCHEMA wants them. Raises ConfigError, naming `source`, for the first mistake."""
    if rows.num_rows == 0:
        raise ConfigError(f"{source} has no rows.", hint=HINT)
    try:
        rows = rows.cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        message = f"{source} has a column of the wrong type ({one_line(error)})."
        raise ConfigError(message, hint=HINT) from error
    empty = [name for name in SCHEMA.names if rows[name].null_count]
    if empty:
        raise ConfigError(f"{source} has empty cells in {', '.join(empty)}.", hint=HINT)
    scores = rows["score"].to_numpy()
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))  # NaN is wrong too.
    if wrong.size:
        row = int(wrong[0])
        message = f"{source} has a score outside 0..1: {scores[row]:g} in row {row}"
        raise ConfigError(f"{message} (query {rows['query_id'][row]}).", hint=HINT)
    distinct = rows.select(QUERY).group_by(QUERY).aggregate([])["query_id"].to_pylist()
    if len(distinct) != len(set(distinct)):
        twice = next(query for query in distinct if distinct.count(query) > 1)
        message = f"{source} gives the query_id {twice} to different questions or tasks."
        raise ConfigError(message, hint=HINT)
    return rows


def last_of_each_key(rows: pa.Table) -> pa.Table:
    """The newest row of each KEY, in their order."""
    numbered = rows.select(KEY).append_column("row", pa.array(np.arange(rows.num_rows)))
    last = numbered.group_by(KEY).aggregate([("row", "max")])["row_max"]
    return rows if len(last) == rows.num_rows else rows.take(np.sort(last.to_numpy()))


def with_query_column(
    rows: pa.Table, name: str, values: Mapping[str, Any], kind: pa.DataType
) -> pa.Table:
    """The rows and a column `name` with each query's value, in the first of its rows only."""
    waiting = dict(values)
    column = [waiting.pop(query, None) for query in rows["query_id"].to_pylist()]
    return rows.append_column(name, pa.array(column, kind))


def stored_vectors(stored: pa.Table) -> dict[str, NDArray[np.float32]]:
    """Query id -> float32 [dimension], for the queries that have a vector."""
    if VECTOR not in stored.column_names:
        return {}
    present = stored.select(["query_id", VECTOR]).filter(pc.field(VECTOR).is_valid())
    pairs = zip(present["query_id"].to_pylist(), present[VECTOR], strict=True)
    return {query: np.asarray(vector.values, dtype=np.float32) for query, vector in pairs}


def stored_skills(stored: pa.Table) -> dict[str, tuple[str, ...]]:
    """Query id -> keywords, for the queries that have been tagged."""
    if SKILLS not in stored.column_names:
        return {}
    present = stored.select(["query_id", SKILLS]).filter(pc.field(SKILLS).is_valid()).to_pydict()
    pairs = zip(present["query_id"], present[SKILLS], strict=True)
    return {query: tuple(words) for query, words in pairs}


def one_line(error: Exception) -> str:
    """An error's text without line breaks."""
    return " ".join(str(error).split())
